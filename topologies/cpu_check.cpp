#include "topologies/cpu_check.h"

#include <unistd.h>

#include <cstring>

// This file alone is compiled for the first x86-64. It runs before anything else of the program, whose static
// initialisers may already use AVX2. So it calls nothing that another file may have compiled for a newer CPU: no inline
// function of the standard library.
namespace anabranch {

const char* MissingCpuFeature(unsigned has) {
  if ((has & kAvx) == 0) return "AVX";
  if ((has & kAvx2) == 0) return "AVX2";
  if ((has & kBmi) == 0) return "BMI1";
  if ((has & kBmi2) == 0) return "BMI2";
  if ((has & kFma) == 0) return "FMA";
  if ((has & kPclmul) == 0) return "PCLMUL";
  return nullptr;
}

}  // namespace anabranch

#ifdef ANABRANCH_NEEDS_V3
namespace {

constexpr int kExitUnavailable = 69;  // as in commands/command.h

void Say(const char* text) {
  // Nobody is left to hear of a failure.
  if (write(STDERR_FILENO, text, strlen(text)) < 0) return;
}

// 101 is the first priority that a program may use.
__attribute__((constructor(101))) void RefuseOldCpu() {
  __builtin_cpu_init();
  unsigned has = 0;
  if (__builtin_cpu_supports("avx")) has |= anabranch::kAvx;
  if (__builtin_cpu_supports("avx2")) has |= anabranch::kAvx2;
  if (__builtin_cpu_supports("bmi")) has |= anabranch::kBmi;
  if (__builtin_cpu_supports("bmi2")) has |= anabranch::kBmi2;
  if (__builtin_cpu_supports("fma")) has |= anabranch::kFma;
  if (__builtin_cpu_supports("pclmul")) has |= anabranch::kPclmul;
  const char* missing = anabranch::MissingCpuFeature(has);
  if (missing == nullptr) return;
  Say("anabranch: this program was built for x86-64-v3, but the CPU lacks ");
  Say(missing);
  Say("; build it with cmake -DANABRANCH_ARCH=x86-64\n");
  _exit(kExitUnavailable);
}

}  // namespace
#endif
