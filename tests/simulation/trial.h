// One trial: a writer process that something happens to, and a look at what it left. Both run in
// processes of their own, so that a crash of the store is a finding and not the end.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/simulation/model.h"
#include "tests/simulation/protocol.h"

namespace deckwatch::simulation {

struct WriterRun {
  std::string folder;  // the store is <folder>/store; what else is needed lies beside it
  uint64_t seed = 0;
  uint64_t from = 0, steps = 0;  // does steps from + 1 … from + steps
  std::vector<std::string> flags;
  std::string faults;         // plan.h, without dir, report and shadow; empty: no fault library
  int64_t kill_after_us = 0;  // SIGKILL from outside; 0: none
};

struct WriterEnd {
  int status = 0;         // of waitpid
  uint64_t acked = 0;     // the last step acknowledged; `from` when none was
  uint64_t report = 0;    // what the fault library reported; 0: nothing
  uint64_t errors = 0;    // of the store, met and overcome
  uint64_t restarts = 0;  // of the store, by the writer
  std::vector<Ack> acks;
  std::string output;  // of stderr
  bool Killed() const;
};

WriterEnd RunWriter(const WriterRun& run);

// Runs `body` in a process of its own and returns the text it returned; "crash: …" when it came to
// another end.
std::string InChild(const std::function<std::string()>& body);

inline std::string StoreOf(const std::string& folder) {
  return folder + "/store";
}

struct Inspection {
  bool ok = false;
  uint64_t step = 0;  // the store holds exactly what this step left
  std::string problem;
};

// Opens the store without faults and finds the step in low … high after which the model holds the
// same. `model` stands at most at `low`.
Inspection Inspect(const std::string& folder, const Model& model, uint64_t low, uint64_t high);

}  // namespace deckwatch::simulation
