// GCC cannot count the branches of C code in the ways that libFuzzer reads, but it can call a
// function at each (-fsanitize-coverage=trace-pc). This one keeps counters that libFuzzer looks at
// beside its own. libFuzzer has an empty function of the first name; the linker puts this in its
// place (--wrap).
#include <stdint.h>

enum { COUNTER_BITS = 15 };

__attribute__((section("__libfuzzer_extra_counters"), used))
static uint8_t counters[1 << COUNTER_BITS];

__attribute__((no_sanitize_coverage)) void __wrap___sanitizer_cov_trace_pc(void) {
  uint64_t place = (uint64_t)__builtin_return_address(0);
  counters[(place * UINT64_C(0x9E3779B97F4A7C15)) >> (64 - COUNTER_BITS)]++;
}
