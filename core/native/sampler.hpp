// Drawing a token: allowed? -> repetition penalty -> temperature -> top_k -> top_p -> one number of a counter-based stream.
//
// The same steps as core/sampling.py, which is the readable version. Nucleus: Holtzman et al. 2020, arXiv:1904.09751.
#pragma once

#include <algorithm>
#include <vector>

#include "kernel.h"
#include "numbers.hpp"

namespace {

constexpr int RECENT_TOKENS = 64;  // how far back the repetition penalty looks

/// One number in [0, 1): the first 53 bits of Philox4x64-10 at counter step + 1 (as numpy counts).
/// Salmon et al. 2011, https://doi.org/10.1145/2063384.2063405
inline double uniform(const uint64_t key[2], uint64_t step) {
    uint64_t c[4] = {step + 1, 0, 0, 0}, k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const unsigned __int128 a = static_cast<unsigned __int128>(0xD2E7470EE14C6C93u) * c[0];
        const unsigned __int128 b = static_cast<unsigned __int128>(0xCA5A826395121157u) * c[2];
        const uint64_t next[4] = {static_cast<uint64_t>(b >> 64) ^ c[1] ^ k0, static_cast<uint64_t>(b),
                                  static_cast<uint64_t>(a >> 64) ^ c[3] ^ k1, static_cast<uint64_t>(a)};
        std::memcpy(c, next, sizeof next);
        k0 += 0x9E3779B97F4A7C15u;
        k1 += 0xBB67AE8584CAA73Bu;
    }
    return static_cast<double>(c[0] >> 11) * 0x1.0p-53;
}

/// How one stream draws, and what it has drawn. `wanted` is (rows, vocabulary), copied.
struct Sampler {
    SamplingSpec spec{};
    std::vector<uint8_t> wanted;
    std::vector<int32_t> recent;  // a ring
    int64_t drawn = 0;

    void set(const SamplingSpec &given, int vocabulary) {
        spec = given;
        wanted.assign(given.wanted, given.wanted + static_cast<size_t>(given.wanted_rows) * vocabulary);
        spec.wanted = nullptr;
        recent.clear();
        drawn = 0;
    }

    const uint8_t *wanted_now(int vocabulary) const {
        const int64_t last = spec.wanted_rows - 1;
        return wanted.data() + (drawn < last ? drawn : last) * vocabulary;
    }

    void note(int32_t token) {
        if (spec.repetition_penalty != 1.0f) {
            if (recent.size() < RECENT_TOKENS)
                recent.push_back(token);
            else
                recent[drawn % RECENT_TOKENS] = token;
        }
        drawn++;
    }
};

constexpr float UNIT = 1073741824.0f;  // 2^30: a weight is a whole number of its parts, so sums have no order
constexpr float NEVER = -1e30f;         // the logit of what may not be drawn: its weight is 0
constexpr int BUCKETS = 1024;           // by a weight's exponent and first three bits: a bucket spans a factor of at most 9/8

/// Room for one draw; a thread has one of its own.
class Draw {
  public:
    /// logits (vocabulary); `allowed` and `wanted` by token. Returns the token, or -1 when there is none to choose from.
    int32_t operator()(const Sampler &sampler, const float *logits, const uint8_t *allowed, const uint8_t *wanted,
                       int vocabulary) {
        const SamplingSpec &spec = sampler.spec;
        x_.resize(vocabulary);
        for (int t = 0; t < vocabulary; t++) x_[t] = allowed[t] & wanted[t] ? logits[t] : NEVER;
        for (const int32_t t : sampler.recent) {  // CTRL, Keskar et al. 2019, arXiv:1909.05858: each token once
            if (x_[t] == NEVER) continue;
            x_[t] = logits[t] > 0 ? logits[t] / spec.repetition_penalty : logits[t] * spec.repetition_penalty;
        }
        const int32_t likeliest = first_highest();
        if (x_[likeliest] == NEVER) return -1;
        if (spec.temperature == 0.0f) return likeliest;
        weigh(x_[likeliest], spec.temperature);
        if (spec.top_k > 0 && spec.top_k < vocabulary) keep_likeliest(spec.top_k, UINT64_MAX);
        if (spec.top_p < 1.0f) {
            const double share = static_cast<double>(spec.top_p) * static_cast<double>(total());
            keep_likeliest(vocabulary, static_cast<uint64_t>(share) + 1);
        }
        const double u = uniform(spec.key, static_cast<uint64_t>(sampler.drawn));
        return invert(static_cast<uint64_t>(u * static_cast<double>(total())));
    }

  private:
    std::vector<float> x_;          // by token: its logit, then what it weighs as a share of the likeliest
    std::vector<uint32_t> weight_;  // by token: that share in parts of 2^-30; 0 where it may not be drawn
    std::vector<int32_t> boundary_; // the tokens of one bucket

    int32_t first_highest() const {
        constexpr int WIDTH = 16;  // a maximum has no order: several side by side
        float highest[WIDTH];
        std::fill_n(highest, WIDTH, NEVER);
        const int count = static_cast<int>(x_.size()), whole = count / WIDTH * WIDTH;
        for (int t = 0; t < whole; t += WIDTH)
            for (int i = 0; i < WIDTH; i++) highest[i] = x_[t + i] > highest[i] ? x_[t + i] : highest[i];
        float most = *std::max_element(highest, highest + WIDTH);
        for (int t = whole; t < count; t++) most = x_[t] > most ? x_[t] : most;
        return static_cast<int32_t>(std::find(x_.begin(), x_.end(), most) - x_.begin());
    }

    void weigh(float highest, float temperature) {
        const int count = static_cast<int>(x_.size());
        weight_.resize(count);
        float *x = x_.data();
        uint32_t *weight = weight_.data();
        for (int t = 0; t < count; t++) x[t] = exponential((x[t] - highest) / temperature);
        for (int t = 0; t < count; t++) weight[t] = static_cast<uint32_t>(static_cast<int32_t>(x[t] * UNIT));
    }

    uint64_t total() const {
        uint64_t sum = 0;
        for (const uint32_t w : weight_) sum += w;
        return sum;
    }

    /// Nothing stays but the likeliest tokens: at most `most`, and no more than it takes for them to weigh `enough`. Of equally
    /// likely ones the smaller token stays first.
    void keep_likeliest(int most, uint64_t enough) {
        uint64_t mass[BUCKETS] = {};
        int32_t members[BUCKETS] = {};
        const int count = static_cast<int>(weight_.size());
        for (int t = 0; t < count; t++) {
            mass[bucket(t)] += weight_[t];
            members[bucket(t)] += weight_[t] > 0;
        }
        uint64_t kept_mass = 0;
        int kept = 0, last = BUCKETS - 1;
        for (; last >= 0 && kept_mass + mass[last] < enough && kept + members[last] <= most; last--) {
            kept_mass += mass[last];
            kept += members[last];
        }
        boundary_.clear();
        for (int t = 0; t < count; t++) {
            if (bucket(t) == last && weight_[t] > 0) boundary_.push_back(t);
        }
        std::sort(boundary_.begin(), boundary_.end(), [this](int32_t a, int32_t b) {
            return weight_[a] > weight_[b] || (weight_[a] == weight_[b] && a < b);
        });
        for (int t = 0; t < count; t++)
            if (bucket(t) < last) weight_[t] = 0;
        for (const int32_t t : boundary_) {
            if (kept == most || kept_mass >= enough) {
                weight_[t] = 0;
                continue;
            }
            kept++;
            kept_mass += weight_[t];
        }
    }

    int bucket(int token) const { return (bits(x_[token]) >> 20) & (BUCKETS - 1); }

    /// The token in whose share of the line of all weights the point lies; 0 <= point < total.
    int32_t invert(uint64_t point) const {
        uint64_t below = 0;
        int32_t t = 0;
        for (; t + 1 < static_cast<int32_t>(weight_.size()); t++) {
            below += weight_[t];
            if (below > point) break;
        }
        return t;
    }
};

}  // namespace
