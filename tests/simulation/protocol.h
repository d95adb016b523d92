// What the writer and the driver agree on.
#pragma once

#include <cstdint>

namespace deckwatch::simulation {

enum class AckKind : uint64_t {
  kOk,       // the store returned OK for the step
  kError,    // it returned an error; the writer tries again
  kRestart,  // the writer opens the store anew
};

struct Ack {
  AckKind kind = AckKind::kOk;
  uint64_t step = 0;
  int64_t monotonic_ns = 0;
};

// How the writer may end, besides SIGKILL.
enum : int {
  kExitGaveUp = 20,      // an injected error did not go away
  kExitUnexpected = 21,  // an error of the store that no fault explains
  kExitHarness = 22,
  kExitWrongAnswer = 24,  // a reader was given something else than what is stored, without a word
};

}  // namespace deckwatch::simulation
