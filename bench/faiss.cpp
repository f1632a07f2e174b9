//go:build faiss

#include "faiss.h"

#include <faiss/IndexBinaryFlat.h>
#include <faiss/IndexBinaryHash.h>
#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/utils/utils.h>
#include <omp.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>

void faiss_build(char *text, size_t size) {
    snprintf(text, size, "%d.%d.%d %s", FAISS_VERSION_MAJOR, FAISS_VERSION_MINOR, FAISS_VERSION_PATCH,
             faiss::get_compile_options().c_str());
}

void *faiss_new(const uint8_t *rows, int64_t n, int hashes, int width, int flips, char *text, size_t size) try {
    std::unique_ptr<faiss::IndexBinary> index;
    if (hashes == 0) {
        index.reset(new faiss::IndexBinaryFlat(256));
    } else {
        auto multi = new faiss::IndexBinaryMultiHash(256, hashes, width);
        index.reset(multi);
        multi->nflip = flips;
    }
    index->add(n, rows);
    return index.release();
} catch (const std::exception &e) {
    snprintf(text, size, "%s", e.what());
    return nullptr;
} catch (...) {
    snprintf(text, size, "unknown exception");
    return nullptr;
}

int64_t faiss_search(void *index, const uint8_t *queries, int64_t n, int radius, uint32_t *ids, int32_t *distances,
                     int64_t room, char *text, size_t size) try {
    omp_set_num_threads(1); // a search is one core's work, as everybody's here; the setting is each thread's own
    faiss::RangeSearchResult found(n);
    // Faiss finds what is nearer than its radius.
    static_cast<faiss::IndexBinary *>(index)->range_search(n, queries, radius + 1, &found);
    int64_t count = found.lims[n];
    for (int64_t i = 0; i < std::min(count, room); i++) {
        ids[i] = found.labels[i];
        distances[i] = found.distances[i];
    }
    return count;
} catch (const std::exception &e) {
    snprintf(text, size, "%s", e.what());
    return -1;
} catch (...) {
    snprintf(text, size, "unknown exception");
    return -1;
}

void faiss_free(void *index) { delete static_cast<faiss::IndexBinary *>(index); }
