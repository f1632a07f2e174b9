// Faiss as the benchmark calls it: binary indexes over 256 bits.
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// faiss_build puts the library's version into text, and how it was built in its
// own words.
void faiss_build(char *text, size_t size);
// faiss_new returns a flat index if hashes is 0, and else a multi-index of so
// many tables of width bits, in each of which a search flips up to flips. It is
// NULL after an error, which text then has.
void *faiss_new(const uint8_t *rows, int64_t n, int hashes, int width, int flips, char *text, size_t size);
// faiss_search returns how many rows are within radius of each query, added up,
// and puts the first room of them, with their distances, into ids and distances.
// It is -1 after an error, which text then has.
int64_t faiss_search(void *index, const uint8_t *queries, int64_t n, int radius, uint32_t *ids, int32_t *distances,
                     int64_t room, char *text, size_t size);
void faiss_free(void *index);

#ifdef __cplusplus
}
#endif
