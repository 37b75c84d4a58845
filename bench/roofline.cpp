// What one core can do at best: bytes read a second from a buffer, and int8 multiply-adds a second in registers.
// bench/roofline.py compiles it for the machine it runs on, and loads it.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif
#if defined(__linux__)
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

#if defined(__AVX512F__)
typedef uint64_t Vector __attribute__((vector_size(64)));
#elif defined(__AVX__)
typedef uint64_t Vector __attribute__((vector_size(32)));
#else
typedef uint64_t Vector __attribute__((vector_size(16)));
#endif

constexpr size_t kChains = 8;  // independent sums: the loads, not the adds' latency, set the pace

template <size_t... I>
uint64_t sum_once(const Vector* data, size_t vectors, std::index_sequence<I...>) {
  Vector sums[kChains] = {};
  for (size_t i = 0; i < vectors; i += kChains) ((sums[I] += data[i + I]), ...);
  const Vector all = (sums[I] + ...);
  uint64_t total = 0;
  for (size_t lane = 0; lane < sizeof(Vector) / sizeof(uint64_t); ++lane) total += all[lane];
  return total;
}

volatile uint64_t sink;

// The compiler must take the value for changed, though no instruction changes it: else the same product, taken again and
// again, would be computed once.
#if defined(__x86_64__) || defined(__i386__)
#define OPAQUE(x) asm volatile("" : "+v"(x))
#elif defined(__aarch64__)
#define OPAQUE(x) asm volatile("" : "+w"(x))
#endif

constexpr int64_t kInner = 1 << 16;  // a round of 100 µs or more: far above the clock's grain

// The best of `rounds`, in multiply-adds a second: `op` adds `per_op` products to one sum, and the sums take turns, so that none
// waits for itself. Constant indices keep all of them in registers.
template <class Vec, class Op, size_t... I>
double best_rate(int rounds, double per_op, Vec zero, Op op, std::index_sequence<I...>) {
  double best = 0;
  for (int round = 0; round < rounds; ++round) {
    Vec sums[] = {((void)I, zero)...};
    const double start = now();
    for (int64_t i = 0; i < kInner; ++i) (op(sums[I]), ...);
    const double rate = per_op * sizeof...(I) * kInner / (now() - start);
    if (rate > best) best = rate;
  }
  return best;
}

template <size_t count>
using Sums = std::make_index_sequence<count>;

}  // namespace

extern "C" {

// Bytes a second, the best of `rounds` of `passes` over a buffer of that size; 0 when there is no memory for it.
double read_bytes_per_second(size_t bytes, int passes, int rounds) {
  constexpr size_t kBlock = kChains * sizeof(Vector), kPage = size_t{2} << 20;
  bytes = (bytes + kBlock - 1) / kBlock * kBlock;
  void* raw = nullptr;
  if (posix_memalign(&raw, kPage, (bytes + kPage - 1) / kPage * kPage) != 0) return 0;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  madvise(raw, (bytes + kPage - 1) / kPage * kPage, MADV_HUGEPAGE);  // the memory is measured, not the page tables
#endif
  std::memset(raw, 1, bytes);
  const Vector* data = static_cast<const Vector*>(raw);
  double best = 0;
  for (int round = 0; round <= rounds; ++round) {
    const double start = now();
    for (int pass = 0; pass < passes; ++pass) {
      sink = sum_once(data, bytes / sizeof(Vector), std::make_index_sequence<kChains>());
      asm volatile("" ::: "memory");  // each pass reads anew
    }
    const double rate = static_cast<double>(bytes) * passes / (now() - start);
    if (round > 0 && rate > best) best = rate;  // the first round only warms up
  }
  std::free(raw);
  return best;
}

// Each of the following: int8 multiply-adds a second into int32 sums; 0 where this build or this machine lacks the instruction.

double avx2_maddubs(int rounds) {
#if defined(__AVX2__)
  __m256i a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(2), ones = _mm256_set1_epi16(1);
  OPAQUE(b);
  OPAQUE(ones);
  auto op = [&](__m256i& sum) {
    OPAQUE(a);
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones));
    OPAQUE(sum);
  };
  return best_rate(rounds, 32, _mm256_setzero_si256(), op, Sums<8>());
#else
  (void)rounds;
  return 0;
#endif
}

double avx2_madd(int rounds) {  // of int16, to which int8 was widened
#if defined(__AVX2__)
  __m256i a = _mm256_set1_epi16(3), b = _mm256_set1_epi16(2);
  OPAQUE(b);
  auto op = [&](__m256i& sum) {
    OPAQUE(a);
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
    OPAQUE(sum);
  };
  return best_rate(rounds, 16, _mm256_setzero_si256(), op, Sums<8>());
#else
  (void)rounds;
  return 0;
#endif
}

double avx_vnni(int rounds) {
#if defined(__AVXVNNI__)
  const __m256i a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(2);
  auto op = [&](__m256i& sum) {
    sum = _mm256_dpbusd_avx_epi32(sum, a, b);
    OPAQUE(sum);
  };
  return best_rate(rounds, 32, _mm256_setzero_si256(), op, Sums<12>());
#else
  (void)rounds;
  return 0;
#endif
}

double avx512_vnni(int rounds) {
#if defined(__AVX512VNNI__)
  const __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(2);
  auto op = [&](__m512i& sum) {
    sum = _mm512_dpbusd_epi32(sum, a, b);
    OPAQUE(sum);
  };
  return best_rate(rounds, 64, _mm512_setzero_si512(), op, Sums<16>());
#else
  (void)rounds;
  return 0;
#endif
}

double amx_int8(int rounds) {
#if defined(__AMX_INT8__) && defined(__linux__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // https://docs.kernel.org/arch/x86/xstate.html
  if (syscall(SYS_arch_prctl, kRequestPermission, kTileData) != 0) return 0;
  struct {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
  } config;
  for (int tile = 0; tile < 8; ++tile) config.row_bytes[tile] = 64, config.rows[tile] = 16;
  _tile_loadconfig(&config);
  auto op = [](int&) {  // four tiles of sums, on two tiles each of what is multiplied
    _tile_dpbusd(0, 4, 6);
    _tile_dpbusd(1, 4, 7);
    _tile_dpbusd(2, 5, 6);
    _tile_dpbusd(3, 5, 7);
  };
  const double rate = best_rate(rounds, 4 * 16.0 * 16 * 64, 0, op, Sums<1>());
  _tile_release();
  return rate;
#else
  (void)rounds;
  return 0;
#endif
}

double neon_dot(int rounds) {
#if defined(__ARM_FEATURE_DOTPROD)
  const int8x16_t a = vdupq_n_s8(3), b = vdupq_n_s8(2);
  auto op = [&](int32x4_t& sum) {
    sum = vdotq_s32(sum, a, b);
    OPAQUE(sum);
  };
  return best_rate(rounds, 16, vdupq_n_s32(0), op, Sums<16>());
#else
  (void)rounds;
  return 0;
#endif
}

}  // extern "C"
