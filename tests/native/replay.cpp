// Draws tokens with two small networks of made-up weights, alone and in company, and prints them. It is compiled together with
// the kernel for every dispatch path, emulated or under an emulator where the processor lacks it: all must print the same.
#include <cstdio>
#include <vector>

#include "kernel.h"

namespace {

struct Numbers {  // SplitMix64: the same numbers on every machine
    uint64_t state;
    uint32_t next() {
        uint64_t z = state += 0x9E3779B97F4A7C15u;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        return static_cast<uint32_t>((z ^ (z >> 31)) >> 32);
    }
    float real(float reach) { return (static_cast<int32_t>(next() % 2001) - 1000) * (reach / 1000); }
    std::vector<float> reals(size_t count, float reach) {
        std::vector<float> x(count);
        for (float &each : x) each = real(reach);
        return x;
    }
};

/// Owns what a Dense points to.
struct Made {
    std::vector<int8_t> first, second;
    std::vector<float> first_scale, second_scale, bias;
    Dense dense{};

    Made(Numbers &n, int rows, int first_columns, int second_columns, float first_inverse) : bias(n.reals(rows, 0.5f)) {
        fill(n, first, first_scale, rows, first_columns, dense.first);
        fill(n, second, second_scale, rows, second_columns, dense.second);
        dense.first.rows = rows;
        dense.bias = bias.data();
        dense.first_inverse = first_inverse;
    }

    static void fill(Numbers &n, std::vector<int8_t> &w, std::vector<float> &scale, int rows, int columns, Matrix &m) {
        if (columns == 0) return;
        w.resize(static_cast<size_t>(rows) * columns);
        for (int8_t &each : w) each = static_cast<int8_t>(n.next() % 255 - 127);
        for (int row = 0; row < rows; row++) scale.push_back((1.0f + n.real(0.5f)) / (127.0f * 127.0f * 4.0f));
        m = Matrix{w.data(), scale.data(), rows, columns};
    }
};

void print(const char *name, const ModelSpec &spec, const ContextSpec &context) {
    Model *model = ritornello_model(&spec, &context);
    std::vector<uint8_t> wanted(spec.vocabulary, 1);
    for (const int count : {1, 3, 5, 21, 40})
        for (const int threads : {1, 2}) {
            std::vector<Sequence *> sequences;
            for (int s = 0; s < count; s++) {
                sequences.push_back(ritornello_sequence(model, s % spec.vocabulary, 0, 0));
                const int32_t prime[] = {2 % spec.vocabulary, s % 3};
                ritornello_read(sequences[s], prime, context.kind ? 0 : 2);
                SamplingSpec sampling{0.8f + 0.1f * (s % 4), s % 2 ? 0.9f : 1.0f, s % 3 ? 1.0f : 1.2f, s % 5 * 3,
                                      {static_cast<uint64_t>(s), 1ull << 32 | 1}, wanted.data(), 1};
                ritornello_sample(sequences[s], &sampling);
            }
            const int steps = 24;
            std::vector<int32_t> tokens(static_cast<size_t>(count) * steps);
            ritornello_advance(model, sequences.data(), count, steps, threads, tokens.data(), nullptr, nullptr);
            for (int s = 0; s < count; s++) {
                std::printf("%s %d:", name, s);
                for (int step = 0; step < steps; step++) std::printf(" %d", tokens[s * steps + step]);
                std::printf("\n");
                ritornello_sequence_free(sequences[s]);
            }
        }
    ritornello_model_free(model);
}

}  // namespace

int main() {
    const int vocabulary = 50, hidden = 80, width = 128, embedding = 64, head = 64;
    Numbers n{1};
    ContextSpec text{};
    text.vocabulary = vocabulary;

    const int32_t starts[] = {0, vocabulary};
    const std::vector<float> gates = n.reals(static_cast<size_t>(vocabulary) * 4 * hidden, 1.5f);
    const std::vector<float> shares = n.reals(static_cast<size_t>(vocabulary) * 64, 1.0f);
    Made first(n, 4 * hidden, 0, width, 0), second(n, 4 * hidden, width, width, 127.0f), linear(n, 64, width, 0, 63.5f);
    ModelSpec one{};
    one.vocabulary = vocabulary, one.hidden = hidden, one.layers = 2, one.residual = 1, one.features = 1;
    one.feature_starts = starts, one.token_gates = gates.data(), one.token_head = shares.data();
    one.layer[0] = first.dense, one.layer[1] = second.dense, one.head = linear.dense;
    print("token", one, text);

    const std::vector<float> tables = n.reals(static_cast<size_t>(vocabulary) * embedding, 1.0f);
    Made bottom(n, 4 * hidden, embedding, width, 0), between(n, head, width, embedding, 127.0f), top(n, 64, 64, 0, 30.0f);
    ModelSpec summed{};
    summed.vocabulary = vocabulary, summed.hidden = hidden, summed.layers = 1, summed.embedding = embedding;
    summed.features = 1, summed.feature_starts = starts, summed.tables = tables.data(), summed.input_inverse = 127.0f;
    summed.layer[0] = bottom.dense, summed.head_hidden = between.dense, summed.head = top.dense;
    print("summed", summed, text);
    return 0;
}
