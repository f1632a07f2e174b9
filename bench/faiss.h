// Faiss as the benchmark calls it: binary indexes over 256 bits.
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// faiss_build puts the library's version into text, and which SIMD level it was
// built for in its own words.
void faiss_build(char *text, size_t size);
// faiss_new returns a flat index if hashes is 0, and else a multi-index of so
// many tables of width bits, in each of which a search flips up to flips. It is
// NULL if there is no memory.
void *faiss_new(const uint8_t *rows, int64_t n, int hashes, int width, int flips);
// faiss_search returns how many rows are within radius, or -1.
int64_t faiss_search(void *index, const uint8_t *queries, int64_t n, int radius);
void faiss_free(void *index);

#ifdef __cplusplus
}
#endif
