/* The decode kernel's plain C interface.
 *
 * One call draws up to `steps` tokens for each of `count` sequences. A sequence is all that one stream carries along: the
 * LSTM's state, what its context remembers, its sampler. It may join or leave between any two calls, wait as long as it
 * likes, and be copied; nothing of it depends on its company. So there are no slots here: whoever is in the call takes
 * part in the step.
 *
 * Same tokens everywhere. Every sum of products is taken over integers, which no order of summation changes; everything in
 * floating point is done element by element with +, -, * and / alone (no fused multiply-add: the build forbids contraction),
 * or summed in one fixed order. So the tokens are the same alone or in any company, on any number of threads, and on every
 * processor that this file was compiled for. Precisions other than int8 are for checking: theirs sum in a fixed order too.
 *
 * Memory belongs to whoever made it: a model copies what its specification points to; a sequence keeps a pointer to its
 * model, which must outlive it. No function waits for anything, or keeps a thread when it returns; memory that cannot be had ends
 * the process. Different threads may use different sequences of one model at the same time.
 */
#ifndef RITORNELLO_KERNEL_H
#define RITORNELLO_KERNEL_H

#include <stdint.h>

#define RITORNELLO_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

enum { RITORNELLO_MAX_LAYERS = 8 };
enum { RITORNELLO_INT8 = 0, RITORNELLO_BFLOAT16 = 1, RITORNELLO_FLOAT32 = 2 };

/* rows x columns weights in the packed order of products.hpp (int8), or that order with groups of one column (bf16, fp32).
 * `scale` has one factor for each row: what the integer sum is worth. */
typedef struct {
    const void *weights;
    const float *scale;
    int32_t rows;    /* a multiple of 64 */
    int32_t columns; /* a multiple of 64 */
} Matrix;

/* What one layer of any kind computes first: its input part, its second part (the recurrent one of an LSTM, the embeddings'
 * one of the head), and a bias. A part that is folded into a table has no columns. */
typedef struct {
    Matrix first, second;
    const float *bias;
    float first_inverse; /* 1 / the activation scale of the first part's input */
} Dense;

typedef struct {
    int32_t precision;
    int32_t vocabulary, hidden, layers, residual; /* hidden: a multiple of 16 */
    int32_t embedding;                            /* of the summed tables: a multiple of 64; 0 when the input is one token */
    int32_t features;
    const int32_t *feature_starts; /* (features + 1): where each table begins, and where the last one ends */
    const float *tables;           /* (all rows, embedding); NULL when the input is one token */
    const float *token_gates;      /* one token: (vocabulary, 4 hidden), layer 0's input part with its bias; else NULL */
    const float *token_head;       /* one token: (vocabulary, rows of the dense that reads the top), likewise */
    float input_inverse;           /* 1 / the activation scale of the summed embeddings */
    Dense layer[RITORNELLO_MAX_LAYERS];
    Dense head_hidden; /* no rows: the head is linear */
    Dense head;
    int32_t references, first_pitch, pitches;
    const float *relative; /* (references, 2 pitches - 1) */
} ModelSpec;

/* What the network sees besides the last token; context.hpp. kind 0: nothing (text). kind 1: music. */
typedef struct {
    int32_t kind;
    int32_t vocabulary, percussion, voices;
    int32_t attributes, attribute_start[8], attribute_choices[8], meter_attribute, key_attribute; /* -1: has none */
    int32_t hold, first_pitch, pitches, first_duration, durations, lowest_pitch, middle_pitch;
    int32_t lags, lag[16], bar_lags, bar_lag[16];
    const int32_t *duration_ticks;      /* (durations) */
    const int32_t *bar_ticks_by_choice; /* by metre choice, 0 is unknown */
    const int32_t *tonic_by_choice;     /* by key choice, 12 is unknown */
    int32_t bar_max, memory;
} ContextSpec;

/* core/sampling_params.py, and which tokens this stream wants: row k for its k-th token, the last row for all that follow. */
typedef struct {
    float temperature, top_p, repetition_penalty;
    int32_t top_k;
    uint64_t key[2]; /* of the random stream: seed, (variation << 32) | take */
    const uint8_t *wanted;
    int32_t wanted_rows;
} SamplingSpec;

typedef struct Model Model;
typedef struct Sequence Sequence;

RITORNELLO_API const char *ritornello_path(void); /* the dispatch path that this library was compiled for */
RITORNELLO_API const char *ritornello_best_path(void); /* the fastest that this processor can run: ask the portable library */
RITORNELLO_API void ritornello_layout(int64_t sizes[3]); /* bytes of ModelSpec, ContextSpec, SamplingSpec */

RITORNELLO_API Model *ritornello_model(const ModelSpec *, const ContextSpec *);
RITORNELLO_API int64_t ritornello_model_bytes(const Model *);
RITORNELLO_API void ritornello_model_free(Model *);

/* An empty sequence that has read `first`; it reads `count` tokens more before it draws. */
RITORNELLO_API Sequence *ritornello_sequence(const Model *, int32_t first, int32_t bars_total, int32_t bar_ticks);
RITORNELLO_API void ritornello_read(Sequence *, const int32_t *tokens, int32_t count);
RITORNELLO_API int32_t ritornello_unread(const Sequence *);
RITORNELLO_API void ritornello_sample(Sequence *, const SamplingSpec *);
RITORNELLO_API Sequence *ritornello_copy(const Sequence *);
RITORNELLO_API int64_t ritornello_sequence_bytes(const Sequence *);
RITORNELLO_API void ritornello_sequence_free(Sequence *);

/* Up to `steps` places for each sequence: first what it has yet to read, then what it draws. A sequence without a sampler
 * stops when it has read all; one to which nothing is allowed any more has ended. tokens (count, steps): the drawn ones, -1
 * where none was. The rest is for measuring, each NULL or (steps, count[, vocabulary]): nats is what each token that is read
 * costs, among those that the grammar allows there (and the sampler wants, where there is one); logits are the network's. */
RITORNELLO_API void ritornello_advance(const Model *, Sequence *const *, int32_t count, int32_t steps, int32_t threads,
                                       int32_t *tokens, float *nats, float *logits);
/* What each sequence sees at its present place: features (count, features + references), allowed (count, vocabulary). */
RITORNELLO_API void ritornello_look(const Model *, Sequence *const *, int32_t count, int32_t *features, uint8_t *allowed);

/* For tests: the sampler alone, on given logits (vocabulary). */
RITORNELLO_API int32_t ritornello_draw(const SamplingSpec *, const float *logits, const uint8_t *allowed, int32_t vocabulary,
                        const int32_t *drawn, int32_t count);

#ifdef __cplusplus
}
#endif
#endif
