/*
** Input: the bytes that libFuzzer makes, read as numbers from the front, and how
** a harness fails.
*/
#ifndef ARSENAL_FUZZ_INPUT_H
#define ARSENAL_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct Input {
    const uint8_t *data;
    size_t size;
} Input;

/* The next byte; 0 once there is none. */
static inline uint8_t input_byte(Input *input) {
    if (input->size == 0) return 0;
    input->size--;
    return *input->data++;
}

/* Many small sizes, some large ones: at most 64 KiB. */
static inline size_t input_size(Input *input) {
    size_t byte = input_byte(input);
    return byte < 240 ? byte : (byte - 239) << 12;
}

/* The next `size` bytes, or as many as are left, as an input of their own. */
static inline Input input_part(Input *input, size_t size) {
    Input part = {input->data, size < input->size ? size : input->size};
    input->data += part.size;
    input->size -= part.size;
    return part;
}

#define fuzz_require(condition) ((condition) ? (void)0 : fuzz_fail(#condition, __FILE__, __LINE__))

static inline void fuzz_fail(const char *condition, const char *file, int line) {
    fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, condition);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
