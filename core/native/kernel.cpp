// The C interface: models, sequences, and the call that steps them. Compiled once for each dispatch path (build.py).
#include "kernel.h"

#include <atomic>
#include <cmath>
#include <thread>

#include "network.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

struct Model {
    virtual ~Model() = default;
    virtual int64_t bytes() const = 0;
    virtual const ContextSpec &context() const = 0;
    virtual const ModelSpec &shape() const = 0;
    virtual void empty(Sequence &) const = 0;
    virtual void advance(Sequence *const *, int count, int steps, int threads, int32_t *tokens, float *nats,
                         float *logits) const = 0;
};

struct Sequence {
    const Model *model;
    Context context;
    Sampler sampler;
    std::vector<int32_t> unread;  // what is yet to be read, from `read` on
    size_t read = 0;
    State<Int8::Activation> integers;
    State<float> floats;  // of a model that checks

    bool reading() const { return read < unread.size(); }
    bool drawing() const { return !reading() && !sampler.wanted.empty(); }
};

namespace {

State<Int8::Activation> &state_of(Sequence &s, Int8::Activation) { return s.integers; }
State<float> &state_of(Sequence &s, float) { return s.floats; }

constexpr int SPINS_BEFORE_YIELD = 400;  // a waiting thread must not take the core from the one it waits for

/// Where the threads of one call meet after each phase.
class Meeting {
  public:
    explicit Meeting(int threads) : threads_(threads) {}

    void wait() {
        if (threads_ == 1) return;
        const int turn = turn_.load(std::memory_order_acquire);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
            arrived_.store(0, std::memory_order_relaxed);
            turn_.store(turn + 1, std::memory_order_release);
            return;
        }
        for (int spins = 0; turn_.load(std::memory_order_acquire) == turn; spins++)
            if (spins > SPINS_BEFORE_YIELD) std::this_thread::yield();
    }

  private:
    const int threads_;
    std::atomic<int> arrived_{0}, turn_{0};
};

/// One call of advance.
template <typename N>
struct Run {
    Batch<N> batch;
    Sequence *const *sequences;
    const int count, steps, threads;
    int32_t *tokens;
    float *nats, *logits;
    std::vector<uint8_t> resting;  // by row: it has no more to do, and its state is put away
    Meeting meeting;

    Run(const Network<N> &net, Sequence *const *s, int n, int steps, int threads, int32_t *tokens, float *nats, float *logits)
        : batch(net, n), sequences(s), count(n), steps(steps), threads(threads), tokens(tokens), nats(nats), logits(logits),
          resting(n, 0), meeting(threads) {}

    bool measures() const { return nats || logits; }

    void all() {
        std::vector<std::thread> others;
        for (int me = 1; me < threads; me++) others.emplace_back([this, me] { work(me); });
        work(0);
        for (auto &other : others) other.join();
    }

    /// What thread `me` does: its share of each phase of each step. Rows, unit groups and output groups are dealt in turn.
    void work(int me) {
        N::begin_thread();
        typename Batch<N>::Scratch scratch(batch.room);
        Draw draw;
        std::vector<uint8_t> allowed(batch.net.shape.vocabulary);
        std::vector<int> wanting;
        const auto &net = batch.net;
        for (int row = me; row < count; row += threads) {
            batch.seat(row, state_of(*sequences[row], typename N::Activation()));
            resting[row] = !sequences[row]->reading() && !sequences[row]->drawing();
        }
        for (int step = 0; step < steps; step++) {
            for (int row = me; row < count; row += threads) {
                sequences[row]->context.inputs(batch.inputs.get() + static_cast<size_t>(row) * batch.inputs_seen);
                batch.embed(row);
            }
            meeting.wait();
            for (int l = 0; l < net.shape.layers; l++) {
                for (int group = me; group < net.shape.hidden / LANES; group += threads) batch.units(l, group, scratch);
                meeting.wait();
            }
            if (me == 0) batch.stepped();
            wanting.clear();
            for (int row = 0; row < count; row++)
                if (measures() || (sequences[row]->drawing() && !resting[row])) wanting.push_back(row);
            const int places = static_cast<int>(wanting.size());
            if (places) {
                for (int place = me; place < places; place += threads) batch.to_head(wanting[place], place);
                meeting.wait();
                for (int group = me; group < net.head_hidden.groups(); group += threads)
                    batch.hidden_of_head(group, wanting, scratch);
                meeting.wait();
                for (int group = me; group < net.head.groups(); group += threads) batch.logits_of(group, wanting, scratch);
            }
            meeting.wait();
            for (int row = me, place = 0; row < count; row += threads) {
                while (place < places && wanting[place] < row) place++;
                go_on(*sequences[row], row, place, step, draw, allowed);
            }
            meeting.wait();
        }
        for (int row = me; row < count; row += threads)
            if (!resting[row]) rest(row);
        N::end_thread();
    }

    void rest(int row) {
        batch.unseat(row, state_of(*sequences[row], typename N::Activation()));
        resting[row] = 1;
    }

    /// Read the next token, or draw one. `place`: where the row's logits are, if it wanted any.
    void go_on(Sequence &s, int row, int place, int step, Draw &draw, std::vector<uint8_t> &allowed) {
        const int vocabulary = batch.net.shape.vocabulary;
        int32_t &told = tokens[static_cast<size_t>(row) * steps + step];
        told = -1;
        const float *here = batch.logits.get() + static_cast<size_t>(place) * batch.net.head.rows;
        if (measures() || (s.drawing() && !resting[row])) batch.relate(row, place);
        const size_t measured = static_cast<size_t>(step) * count + row;
        if (logits) std::memcpy(logits + measured * vocabulary, here, vocabulary * sizeof(float));
        if (resting[row]) return;
        bool over;
        if (s.drawing()) {
            s.context.allow(allowed.data());
            told = draw(s.sampler, here, allowed.data(), s.sampler.wanted_now(vocabulary), vocabulary);
            over = told < 0;
            if (!over) {
                s.sampler.note(told);
                s.context.read(told);
            }
        } else {
            const int32_t token = s.unread[s.read++];
            if (nats) nats[measured] = surprise(s, token, here, allowed);
            s.context.read(token);
            if (!s.reading()) {
                s.unread = {};
                s.read = 0;
            }
            over = !s.reading() && !s.drawing();
        }
        if (over) rest(row);
    }

    /// Nats of a token among those that may stand here.
    float surprise(const Sequence &s, int32_t token, const float *here, std::vector<uint8_t> &allowed) const {
        const int vocabulary = batch.net.shape.vocabulary;
        s.context.allow(allowed.data());
        const uint8_t *wanted = s.sampler.wanted.empty() ? nullptr : s.sampler.wanted_now(vocabulary);
        double sum = 0;
        for (int t = 0; t < vocabulary; t++)
            if (allowed[t] && (!wanted || wanted[t])) sum += std::exp(static_cast<double>(here[t]) - here[token]);
        return static_cast<float>(std::log(sum));
    }
};

template <typename N>
struct ModelOf : Model {
    Network<N> net;

    ModelOf(const ModelSpec &m, const ContextSpec &c) : net(m, c) {}
    int64_t bytes() const override { return static_cast<int64_t>(net.bytes()); }
    const ContextSpec &context() const override { return net.context; }
    const ModelSpec &shape() const override { return net.shape; }

    void empty(Sequence &s) const override {
        auto &state = state_of(s, typename N::Activation());
        const size_t size = static_cast<size_t>(net.shape.layers) * net.shape.hidden;
        state.h.assign(size, 0);
        state.c.assign(size, 0.0f);
    }

    void advance(Sequence *const *s, int count, int steps, int threads, int32_t *tokens, float *nats,
                 float *logits) const override {
        Run<N>(net, s, count, steps, threads, tokens, nats, logits).all();
    }
};

}  // namespace

const char *ritornello_path(void) { return PATH; }

void ritornello_layout(int64_t sizes[3]) {
    sizes[0] = sizeof(ModelSpec);
    sizes[1] = sizeof(ContextSpec);
    sizes[2] = sizeof(SamplingSpec);
}

const char *ritornello_best_path(void) {
#if defined(__x86_64__)
    unsigned a, b, c, d, features = 0, amx = 0, state = 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) features = c, amx = d;
    if (__get_cpuid(1, &a, &b, &c, &d) && c & bit_OSXSAVE) __asm__("xgetbv" : "=a"(state), "=d"(d) : "c"(0));
    const bool wide = (state & 0xE6) == 0xE6;  // the system keeps the AVX-512 registers
    if (wide && features & 1u << 11 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
#if defined(__linux__)
        constexpr int REQUEST_PERMISSION = 0x1023, TILE_DATA = 18;  // arch_prctl(2): the tiles' 8 KB have to be asked for
        if (amx & 1u << 25 && syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0) return "amx";
#endif
        return "avx512vnni";
    }
    if (__builtin_cpu_supports("avx2")) return "avx2";
#elif defined(__aarch64__) && defined(__APPLE__)
    return "neon";
#elif defined(__aarch64__) && defined(__linux__)
    constexpr unsigned long DOT_PRODUCT = 1ul << 20;  // HWCAP_ASIMDDP
    if (getauxval(AT_HWCAP) & DOT_PRODUCT) return "neon";
#endif
    return "portable";
}

Model *ritornello_model(const ModelSpec *m, const ContextSpec *c) {
    if (m->precision == RITORNELLO_FLOAT32) return new ModelOf<Float32>(*m, *c);
    if (m->precision == RITORNELLO_BFLOAT16) return new ModelOf<Bfloat16>(*m, *c);
    return new ModelOf<Int8>(*m, *c);
}

int64_t ritornello_model_bytes(const Model *m) { return m->bytes(); }
void ritornello_model_free(Model *m) { delete m; }

Sequence *ritornello_sequence(const Model *m, int32_t first, int32_t bars_total, int32_t bar_ticks) {
    auto *s = new Sequence{};
    s->model = m;
    s->context.start(&m->context(), first, bars_total, bar_ticks);
    m->empty(*s);
    return s;
}

void ritornello_read(Sequence *s, const int32_t *tokens, int32_t count) {
    s->unread.erase(s->unread.begin(), s->unread.begin() + static_cast<int64_t>(s->read));
    s->read = 0;
    s->unread.insert(s->unread.end(), tokens, tokens + count);
}

int32_t ritornello_unread(const Sequence *s) { return static_cast<int32_t>(s->unread.size() - s->read); }
void ritornello_sample(Sequence *s, const SamplingSpec *spec) { s->sampler.set(*spec, s->model->shape().vocabulary); }
Sequence *ritornello_copy(const Sequence *s) { return new Sequence(*s); }

int64_t ritornello_sequence_bytes(const Sequence *s) {
    const size_t states = s->integers.h.size() * (sizeof(Int8::Activation) + 4) + s->floats.h.size() * 8;
    const size_t remembered = s->context.code_memory.size() * 2 + s->context.said.capacity() * 2 + s->unread.capacity();
    return static_cast<int64_t>(sizeof *s + states + 4 * remembered + s->sampler.wanted.size());
}

void ritornello_sequence_free(Sequence *s) { delete s; }

void ritornello_advance(const Model *m, Sequence *const *s, int32_t count, int32_t steps, int32_t threads, int32_t *tokens,
                        float *nats, float *logits) {
    m->advance(s, count, steps, std::max(1, threads), tokens, nats, logits);
}

void ritornello_look(const Model *m, Sequence *const *s, int32_t count, int32_t *features, uint8_t *allowed) {
    const int seen = m->shape().features + m->shape().references;
    for (int row = 0; row < count; row++) {
        s[row]->context.inputs(features + static_cast<size_t>(row) * seen);
        s[row]->context.allow(allowed + static_cast<size_t>(row) * m->shape().vocabulary);
    }
}

int32_t ritornello_draw(const SamplingSpec *spec, const float *logits, const uint8_t *allowed, int32_t vocabulary,
                        const int32_t *drawn, int32_t count) {
    Sampler sampler;
    sampler.set(*spec, vocabulary);
    for (int i = 0; i < count; i++) sampler.note(drawn[i]);
    Draw draw;
    return draw(sampler, logits, allowed, sampler.wanted_now(vocabulary), vocabulary);
}
