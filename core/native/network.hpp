// One step of many sequences through the LSTM: core/model.py's closed set of operations, computed with products.hpp.
//
//     sum of embeddings (or one token's row of a table) -> LSTM layers, optionally residual
//       -> a linear or one-hidden-layer head over [top; embeddings] -> logits + tables over (pitch - reference)
//
// Integers. An activation a stands for the number a * scale, with a scale that never changes: 1/127 for what an LSTM puts
// out, since that lies in (-1, 1), a measured one elsewhere. A weight stands for w * (its row's scale). So a gate's sum is
//     bias + (sum of w a over the input) * s_input[row] + (sum of w a over the state) * s_state[row],
// both sums exact in 32 bits. Gates and cell state are floats. LSTM: https://doi.org/10.1162/neco.1997.9.8.1735
#pragma once

#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "context.hpp"
#include "products.hpp"
#include "sampler.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace {

constexpr size_t ALIGNMENT = 64;
constexpr size_t HUGE_PAGE = 2 << 20;  // weights are read from end to end at every step: large pages save the look-ups

/// Zeroed memory on a cache line.
template <typename T>
class Block {
  public:
    Block() = default;
    explicit Block(size_t count) : count_(count) {
        const size_t alignment = bytes() >= HUGE_PAGE ? HUGE_PAGE : ALIGNMENT;
        const size_t size = (bytes() + alignment - 1) / alignment * alignment;
        data_.reset(static_cast<T *>(std::aligned_alloc(alignment, size ? size : alignment)));
        if (!data_) std::abort();
#if defined(__linux__)
        if (alignment == HUGE_PAGE) madvise(data_.get(), size, MADV_HUGEPAGE);
#endif
        std::memset(data_.get(), 0, size ? size : alignment);
    }
    Block(const T *from, size_t count) : Block(from ? count : 0) {
        if (from) std::memcpy(data_.get(), from, bytes());
    }
    T *get() const { return data_.get(); }
    T &operator[](size_t i) const { return data_.get()[i]; }
    size_t bytes() const { return count_ * sizeof(T); }
    explicit operator bool() const { return count_ > 0; }

  private:
    struct Free {
        void operator()(T *p) const { std::free(p); }
    };
    std::unique_ptr<T, Free> data_;
    size_t count_ = 0;
};

/// A matrix in its packed order, owned.
template <typename N>
struct Weights {
    Block<typename N::Weight> weights;
    Block<float> scale;
    int quads = 0;  // inputs, N::INPUTS at a time; 0 when there is no such part

    Weights() = default;
    explicit Weights(const Matrix &m)
        : weights(static_cast<const typename N::Weight *>(m.weights), static_cast<size_t>(m.rows) * m.columns),
          scale(m.scale, m.columns ? m.rows : 0), quads(m.columns / N::INPUTS) {}

    int columns() const { return quads * N::INPUTS; }
    size_t bytes() const { return weights.bytes() + scale.bytes(); }
    const typename N::Weight *of(int group) const { return weights.get() + static_cast<size_t>(group) * columns() * GROUP; }
};

template <typename N>
struct Affine {
    Weights<N> first, second;
    Block<float> bias;
    float first_inverse = 0;
    int rows = 0;

    Affine() = default;
    explicit Affine(const Dense &d)
        : first(d.first), second(d.second), bias(d.bias, d.first.rows), first_inverse(d.first_inverse), rows(d.first.rows) {}

    int groups() const { return rows / GROUP; }
    size_t bytes() const { return first.bytes() + second.bytes() + bias.bytes(); }
};

template <typename N>
struct Network {
    ModelSpec shape;
    ContextSpec context;
    std::vector<int32_t> feature_starts, duration_ticks, bar_ticks, tonics;
    Block<float> tables, token_gates, token_head, relative;
    std::vector<Affine<N>> layer;
    Affine<N> head_hidden, head;

    Network(const ModelSpec &m, const ContextSpec &c)
        : shape(m), context(c), feature_starts(m.feature_starts, m.feature_starts + m.features),
          tables(m.tables, m.embedding ? static_cast<size_t>(m.feature_starts[m.features]) * m.embedding : 0),
          token_gates(m.token_gates, static_cast<size_t>(m.vocabulary) * 4 * m.hidden),
          token_head(m.token_head, static_cast<size_t>(m.vocabulary) * top_rows(m)),
          relative(m.relative, static_cast<size_t>(m.references) * (m.pitches ? 2 * m.pitches - 1 : 0)),
          head_hidden(m.head_hidden), head(m.head) {
        for (int l = 0; l < m.layers; l++) layer.emplace_back(m.layer[l]);
        if (c.kind) {
            duration_ticks.assign(c.duration_ticks, c.duration_ticks + c.durations);
            const int a = c.meter_attribute, k = c.key_attribute;
            bar_ticks.assign(c.bar_ticks_by_choice, c.bar_ticks_by_choice + 1 + (a < 0 ? 0 : c.attribute_choices[a]));
            tonics.assign(c.tonic_by_choice, c.tonic_by_choice + 1 + (k < 0 ? 0 : c.attribute_choices[k]));
            context.duration_ticks = duration_ticks.data();
            context.bar_ticks_by_choice = bar_ticks.data();
            context.tonic_by_choice = tonics.data();
        }
    }

    static int top_rows(const ModelSpec &m) { return m.head_hidden.first.rows ? m.head_hidden.first.rows : m.head.first.rows; }
    bool has_hidden_head() const { return head_hidden.rows > 0; }
    const Affine<N> &reads_top() const { return has_hidden_head() ? head_hidden : head; }

    size_t bytes() const {
        size_t sum = tables.bytes() + token_gates.bytes() + token_head.bytes() + relative.bytes();
        for (const auto &l : layer) sum += l.bytes();
        return sum + head_hidden.bytes() + head.bytes();
    }
};

/// The state of one stream: h as the next step reads it, c as it is.
template <typename Activation>
struct State {
    std::vector<Activation> h;
    std::vector<float> c;  // both (layers, hidden)
};

/// Some sequences in step: their states side by side for the length of one call. Every method is a phase: the threads share
/// the work of a phase and meet at its end, so no two of them write one place.
template <typename N>
struct Batch {
    using A = typename N::Activation;
    const Network<N> &net;
    const int rows, room;  // room: rows rounded up, so that a tile may be computed whole
    int32_t inputs_seen;
    Block<int32_t> inputs;           // (rows, features + references)
    Block<float> embedded;           // (rows, embedding)
    Block<A> embedded_as_input;      // (room, embedding)
    Block<A> input[2];               // (room, columns): what this layer reads, what the next one will
    std::vector<Block<A>> h[2];      // by layer (room, columns): before this step, after it
    std::vector<Block<float>> c;     // by layer (rows, hidden)
    Block<float> top;                // (rows, hidden): the residual stream
    Block<A> top_as_input, embedded_at_top, hidden_as_input;  // of the rows that want logits, packed
    Block<float> logits;             // (rows, vocabulary rounded up), likewise packed
    int now = 0;                     // which of h is "before"

    /// A thread's own room.
    struct Scratch {
        Block<typename N::Sum> first, second;
        Block<float> before;
        explicit Scratch(int room) : first(room * GROUP), second(room * GROUP), before(room * GROUP) {}
    };

    Batch(const Network<N> &n, int count)
        : net(n), rows(count), room((count + ROW_PADDING - 1) / ROW_PADDING * ROW_PADDING),
          inputs_seen(n.shape.features + n.shape.references), inputs(static_cast<size_t>(count) * inputs_seen),
          embedded(static_cast<size_t>(count) * n.shape.embedding),
          embedded_as_input(static_cast<size_t>(room) * n.shape.embedding), top(static_cast<size_t>(count) * n.shape.hidden),
          top_as_input(static_cast<size_t>(room) * width()), embedded_at_top(static_cast<size_t>(room) * n.shape.embedding),
          hidden_as_input(static_cast<size_t>(room) * n.head.first.columns()),
          logits(static_cast<size_t>(count) * n.head.rows) {
        for (auto &buffer : input) buffer = Block<A>(static_cast<size_t>(room) * width());
        for (int l = 0; l < n.shape.layers; l++) {
            for (auto &side : h) side.emplace_back(static_cast<size_t>(room) * width());
            c.emplace_back(static_cast<size_t>(rows) * n.shape.hidden);
        }
    }

    int width() const { return net.layer[0].second.columns(); }  // hidden, rounded up to whole products

    void seat(int row, const State<A> &state) {
        const size_t hidden = net.shape.hidden;
        for (int l = 0; l < net.shape.layers; l++) {
            std::memcpy(h[now][l].get() + static_cast<size_t>(row) * width(), state.h.data() + l * hidden, hidden * sizeof(A));
            std::memcpy(c[l].get() + row * hidden, state.c.data() + l * hidden, hidden * sizeof(float));
        }
    }

    void unseat(int row, State<A> &state) const {
        const size_t hidden = net.shape.hidden;
        for (int l = 0; l < net.shape.layers; l++) {
            std::memcpy(state.h.data() + l * hidden, h[now][l].get() + static_cast<size_t>(row) * width(), hidden * sizeof(A));
            std::memcpy(state.c.data() + l * hidden, c[l].get() + row * hidden, hidden * sizeof(float));
        }
    }

    /// Sum one row's embeddings, in the order of the features.
    void embed(int row) {
        const int width = net.shape.embedding;
        if (width == 0) return;
        float *sum = embedded.get() + static_cast<size_t>(row) * width;
        std::memset(sum, 0, width * sizeof(float));
        for (int f = 0; f < net.shape.features; f++) {
            const size_t place = net.feature_starts[f] + inputs[static_cast<size_t>(row) * inputs_seen + f];
            const float *from = net.tables.get() + place * width;
            for (int i = 0; i < width; i++) sum[i] += from[i];
        }
        encode(embedded_as_input.get() + static_cast<size_t>(row) * width, sum, width, net.shape.input_inverse);
    }

    static void encode(A *to, const float *from, int count, float inverse) {
        for (int i = 0; i < count; i++) to[i] = N::encode(from[i], inverse);
    }

    /// before[row * 64 + i] = base + first part + second part, for the 64 outputs of one group. `base_of(row)` is the bias, or
    /// the row of a table that holds bias and first part together.
    template <typename Base>
    static void affine(const Affine<N> &a, int group, const A *first, const A *second, int second_stride, int rows,
                       Scratch &scratch, const Base &base_of) {
        const int start = group * GROUP;
        if (a.first.quads) N::products(a.first.of(group), a.first.quads, first, a.first.columns(), rows, scratch.first.get());
        if (a.second.quads) N::products(a.second.of(group), a.second.quads, second, second_stride, rows, scratch.second.get());
        for (int row = 0; row < rows; row++) {
            float *before = scratch.before.get() + row * GROUP;
            std::memcpy(before, base_of(row) + start, GROUP * sizeof(float));
            if (a.first.quads) add(before, scratch.first.get() + row * GROUP, a.first.scale.get() + start);
            if (a.second.quads) add(before, scratch.second.get() + row * GROUP, a.second.scale.get() + start);
        }
    }

    static void add(float *to, const typename N::Sum *sum, const float *scale) {
        for (int i = 0; i < GROUP; i++) to[i] += static_cast<float>(sum[i]) * scale[i];
    }

    int token_of(int row) const { return inputs[static_cast<size_t>(row) * inputs_seen]; }

    /// The units of one group of a layer, for all rows. The gates stand in the order input, forget, candidate, output.
    void units(int l, int group, Scratch &scratch) {
        const ModelSpec &shape = net.shape;
        const Affine<N> &a = net.layer[l];
        const A *first = l == 0 ? embedded_as_input.get() : input[l & 1].get();
        const A *second = h[now][l].get();
        if (l == 0 && net.token_gates)
            affine(a, group, first, second, width(), rows, scratch,
                   [&](int row) { return net.token_gates.get() + static_cast<size_t>(token_of(row)) * 4 * shape.hidden; });
        else
            affine(a, group, first, second, width(), rows, scratch, [&](int) { return a.bias.get(); });
        const bool adds = shape.residual && l > 0, last = l + 1 == shape.layers;
        const float next_inverse = last ? 0.0f : net.layer[l + 1].first_inverse;
        for (int row = 0; row < rows; row++) {
            const float *gate = scratch.before.get() + row * GROUP;
            const size_t place = static_cast<size_t>(row) * shape.hidden + group * LANES;
            const size_t padded = static_cast<size_t>(row) * width() + group * LANES;
            float *cell = c[l].get() + place, *stream = top.get() + place;
            float out[LANES];
            for (int i = 0; i < LANES; i++) {
                const float kept = sigmoid(gate[LANES + i]) * cell[i];
                const float written = sigmoid(gate[i]) * hyperbolic_tangent(gate[2 * LANES + i]);
                cell[i] = kept + written;
                out[i] = sigmoid(gate[3 * LANES + i]) * hyperbolic_tangent(cell[i]);
            }
            encode(h[1 - now][l].get() + padded, out, LANES, 127.0f);
            for (int i = 0; i < LANES; i++) stream[i] = adds ? out[i] + stream[i] : out[i];
            if (!last) encode(input[(l + 1) & 1].get() + padded, stream, LANES, next_inverse);
        }
    }

    void stepped() { now = 1 - now; }

    // The head, for the rows that want logits: `place` is such a row's place among them.

    void to_head(int row, int place) {
        const int hidden = net.shape.hidden, embedding = net.shape.embedding;
        encode(top_as_input.get() + static_cast<size_t>(place) * width(), top.get() + static_cast<size_t>(row) * hidden, hidden,
               net.reads_top().first_inverse);
        if (embedding)
            std::memcpy(embedded_at_top.get() + static_cast<size_t>(place) * embedding,
                        embedded_as_input.get() + static_cast<size_t>(row) * embedding, embedding * sizeof(A));
    }

    void read_top(const Affine<N> &a, int group, const std::vector<int> &wanting, Scratch &scratch) {
        const int count = static_cast<int>(wanting.size());
        const int embedding = net.shape.embedding;
        if (net.token_head)
            affine(a, group, top_as_input.get(), embedded_at_top.get(), embedding, count, scratch, [&](int place) {
                return net.token_head.get() + static_cast<size_t>(token_of(wanting[place])) * a.rows;
            });
        else
            affine(a, group, top_as_input.get(), embedded_at_top.get(), embedding, count, scratch,
                   [&](int) { return a.bias.get(); });
    }

    void hidden_of_head(int group, const std::vector<int> &wanting, Scratch &scratch) {
        const Affine<N> &a = net.head_hidden;
        read_top(a, group, wanting, scratch);
        for (size_t place = 0; place < wanting.size(); place++) {
            float *x = scratch.before.get() + place * GROUP;
            for (int i = 0; i < GROUP; i++) x[i] = gelu(x[i]);
            encode(hidden_as_input.get() + place * net.head.first.columns() + group * GROUP, x, GROUP, net.head.first_inverse);
        }
    }

    void logits_of(int group, const std::vector<int> &wanting, Scratch &scratch) {
        const Affine<N> &a = net.head;
        if (net.has_hidden_head())
            affine(a, group, hidden_as_input.get(), static_cast<A *>(nullptr), 0, static_cast<int>(wanting.size()), scratch,
                   [&](int) { return a.bias.get(); });
        else
            read_top(a, group, wanting, scratch);
        for (size_t place = 0; place < wanting.size(); place++)
            std::memcpy(logits.get() + place * a.rows + group * GROUP, scratch.before.get() + place * GROUP, GROUP * sizeof(float));
    }

    /// What the tables over (pitch - reference) add to the pitches' logits. The reference `pitches` is none.
    void relate(int row, int place) const {
        const ModelSpec &shape = net.shape;
        float *pitch = logits.get() + static_cast<size_t>(place) * net.head.rows + shape.first_pitch;
        const int32_t *reference = inputs.get() + static_cast<size_t>(row) * inputs_seen + shape.features;
        for (int r = 0; r < shape.references; r++) {
            if (reference[r] >= shape.pitches) continue;
            const float *bonus = net.relative.get() + static_cast<size_t>(r) * (2 * shape.pitches - 1) + shape.pitches - 1 -
                                 reference[r];
            for (int p = 0; p < shape.pitches; p++) pitch[p] += bonus[p];
        }
    }
};

}  // namespace
