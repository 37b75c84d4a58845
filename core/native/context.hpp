// What the network sees at a place besides the last token, and which tokens the grammar lets follow: one sequence's part of
// core/music/context.py, which is the readable version and the one that trains. Tests hold the two to the same numbers.
#pragma once

#include <algorithm>
#include <vector>

#include "kernel.h"

namespace {

constexpr int32_t END = 1;
constexpr int BARS_COUNTED = 8, MATCH_MEMORY = 1024, MATCH_MINIMUM = 3, DURATIONS_SEEN = 2, PITCHES_SEEN = 3;
constexpr int BARS_LEFT_CLASSES[] = {1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 32};    // upper edges
constexpr int MATCH_LENGTH_CLASSES[] = {3, 4, 5, 6, 8, 12, 16, 24, 48};      // lower edges
enum StepState { STEP_EMPTY, STEP_PITCHED, STEP_HELD };

struct Context {
    const ContextSpec *spec = nullptr;
    int32_t last = 0;

    int32_t count = 0, bar_length = 0, tick = 0, position = 0, bar = 0, bars_total = 0;
    int32_t step = STEP_EMPTY, begun = 0, lowest_next = 0, code = 0, sounding = 0;
    int32_t attribute[8] = {}, pitches[PITCHES_SEEN] = {}, lengths[DURATIONS_SEEN] = {};
    std::vector<int32_t> code_memory, length_memory;  // by tick, a ring
    std::vector<int32_t> said;                        // the body's tokens
    std::vector<int32_t> run;  // for each: how many tokens up to it equal the tokens up to now

    void start(const ContextSpec *given, int32_t first, int32_t bars, int32_t bar_ticks) {
        *this = Context{};
        spec = given;
        last = first;
        if (spec->kind == 0) return;
        count = 1;
        bar_length = bar_ticks ? bar_ticks : spec->bar_ticks_by_choice[0];
        bars_total = bars;
        std::fill_n(pitches, PITCHES_SEEN, spec->pitches);
        std::fill_n(lengths, DURATIONS_SEEN, spec->durations);
        code_memory.assign(spec->memory, 0);
        length_memory.assign(spec->memory, spec->durations);
    }

    bool in_header() const { return count <= spec->attributes; }
    bool music() const { return spec->kind != 0; }

    void read(int32_t token) {
        last = token;
        if (!music()) return;
        const ContextSpec &s = *spec;
        if (in_header()) {
            const int a = count - 1;
            const int32_t choice = token - s.attribute_start[a];
            if (choice >= 0 && choice <= s.attribute_choices[a]) {
                attribute[a] = choice;
                if (a == s.meter_attribute && choice > 0) bar_length = s.bar_ticks_by_choice[choice];
            }
        } else {
            if (token >= s.first_pitch && token < s.first_duration) read_pitch(token - s.first_pitch);
            if (token == s.hold) step = STEP_HELD;
            if (token >= s.first_duration) read_duration(token - s.first_duration);
            remember(token);
        }
        count++;
    }

    void read_pitch(int32_t index) {
        step = STEP_PITCHED;
        begun++;
        lowest_next = index + 1;
        code = spec->percussion ? code | 1 << index : index + 3;
        if (index != pitches[0]) {
            std::copy_backward(pitches, pitches + PITCHES_SEEN - 1, pitches + PITCHES_SEEN);
            pitches[0] = index;
        }
    }

    /// A step fills the ticks that it lasts: its code on the first, then "goes on" (or silence, or for drums nothing).
    void read_duration(int32_t index) {
        const ContextSpec &s = *spec;
        const int32_t ticks = s.duration_ticks[index];
        if (!s.percussion && step != STEP_PITCHED) code = step == STEP_HELD ? 2 : 1;
        for (int32_t offset = 0; offset < ticks; offset++) {
            const int32_t place = (tick + offset) % s.memory;
            code_memory[place] = offset == 0 ? code : s.percussion ? 0 : code == 1 ? 1 : 2;
            length_memory[place] = offset == 0 ? index : s.durations;
        }
        sounding = step != STEP_EMPTY;
        std::copy_backward(lengths, lengths + DURATIONS_SEEN - 1, lengths + DURATIONS_SEEN);
        lengths[0] = index;
        tick += ticks;
        position += ticks;
        if (position >= bar_length) {
            bar++;
            position -= bar_length;
        }
        step = STEP_EMPTY;
        begun = lowest_next = code = 0;
    }

    void remember(int32_t token) {
        if (said.size() == MATCH_MEMORY) {  // forget the older half
            said.erase(said.begin(), said.begin() + MATCH_MEMORY / 2);
            run.erase(run.begin(), run.begin() + MATCH_MEMORY / 2);
        }
        said.push_back(token);
        run.push_back(0);
        int32_t *r = run.data();
        const int32_t *t = said.data();
        for (int i = static_cast<int>(said.size()) - 2; i > 0; i--) r[i] = t[i] == token ? r[i - 1] + 1 : 0;
        if (said.size() > 1) r[0] = t[0] == token;
    }

    /// The token after the longest earlier occurrence of what was just said (the vocabulary's size for none; of equally
    /// long ones the latest), and the class of its length.
    int32_t match(int32_t *length_class) const {
        *length_class = 0;
        int32_t longest = MATCH_MINIMUM - 1, found = -1;
        for (int i = 0; i + 1 < static_cast<int>(run.size()); i++)
            if (run[i] >= longest && run[i] >= MATCH_MINIMUM) longest = run[i], found = i;
        if (found < 0) return spec->vocabulary;
        for (const int edge : MATCH_LENGTH_CLASSES) *length_class += longest >= edge;
        return said[found + 1];
    }

    int32_t recall(const std::vector<int32_t> &memory, int32_t lag, int32_t nothing) const {
        return lag > tick ? nothing : memory[(tick - lag) % spec->memory];
    }

    /// One index for each input table, then one for each reference (a pitch, or the number of pitches for none).
    void inputs(int32_t *out) const {
        *out++ = last;
        if (!music()) return;
        const ContextSpec &s = *spec;
        const bool header = in_header();
        int32_t length_class;
        const int32_t matched = match(&length_class);
        *out++ = header ? count - 1 : s.attributes + 1 + step;
        *out++ = header ? s.bar_max : position;
        *out++ = header ? BARS_COUNTED : bar % BARS_COUNTED;
        int32_t bars_left = 0;
        if (bars_total > 0) {
            bars_left = 1;
            for (const int edge : BARS_LEFT_CLASSES) bars_left += std::max(bars_total - bar, 1) > edge;
        }
        *out++ = bars_left;
        out = std::copy_n(attribute, s.attributes, out);
        *out++ = code;
        for (int i = 0; i < s.lags; i++) *out++ = recall(code_memory, s.lag[i], 0);
        int32_t codes_ago[16];
        for (int i = 0; i < s.bar_lags; i++) *out++ = codes_ago[i] = recall(code_memory, s.bar_lag[i] * bar_length, 0);
        if (s.percussion) {
            *out++ = matched;
            *out++ = length_class;
            return;
        }
        for (int i = 0; i < s.bar_lags; i++) *out++ = recall(length_memory, s.bar_lag[i] * bar_length, s.durations);
        out = std::copy_n(lengths, DURATIONS_SEEN, out);
        out = std::copy_n(pitches, PITCHES_SEEN, out);
        const int32_t none = s.pitches;
        const int32_t tonic = s.key_attribute < 0 ? 12 : s.tonic_by_choice[attribute[s.key_attribute]];
        *out++ = pitches[0] < none && tonic < 12 ? modulo12(pitches[0] + s.lowest_pitch - tonic) : 12;
        *out++ = pitches[1] < none ? pitches[0] - pitches[1] + none : 2 * none;
        *out++ = matched;
        *out++ = length_class;
        *out++ = pitches[0];
        *out++ = pitches[1];
        *out++ = tonic < 12 ? s.middle_pitch + modulo12(tonic - s.middle_pitch + 6) - 6 - s.lowest_pitch : none;
        for (int i = 0; i < s.bar_lags; i++) *out++ = codes_ago[i] >= 3 ? codes_ago[i] - 3 : none;
        *out++ = matched >= s.first_pitch && matched < s.first_duration ? matched - s.first_pitch : none;
    }

    static int32_t modulo12(int32_t x) { return (x % 12 + 12) % 12; }

    /// allowed (vocabulary): 1 where the grammar lets a token follow.
    void allow(uint8_t *allowed) const {
        const ContextSpec &s = *spec;
        std::fill_n(allowed, s.vocabulary, !music());
        if (!music()) return;
        if (in_header()) {
            std::fill_n(allowed + s.attribute_start[count - 1], 1 + s.attribute_choices[count - 1], 1);
            return;
        }
        const bool empty = step == STEP_EMPTY, at_bar = empty && position == 0;
        const bool over = at_bar && bars_total > 0 && bar >= bars_total;
        if (at_bar && bar > 0 && (bars_total == 0 || over)) allowed[END] = 1;
        if (over) return;
        if (empty && sounding && !s.percussion) allowed[s.hold] = 1;
        if (step != STEP_HELD && begun < s.voices)
            std::fill(allowed + s.first_pitch + lowest_next, allowed + s.first_duration, 1);
        for (int d = 0; d < s.durations; d++)
            if (s.duration_ticks[d] <= bar_length - position) allowed[s.first_duration + d] = 1;
    }
};

}  // namespace
