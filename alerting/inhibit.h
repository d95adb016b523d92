// Which alerts are muted because another one is firing. (Alertmanager: inhibit/.)
#pragma once

#include <cstdint>
#include <vector>

#include "alerting/alert.h"
#include "alerting/am_config.h"

namespace deckwatch::alerting {

// Answers for one moment. Building it looks at every firing alert once per rule; a question costs
// one look-up per rule whose target matches.
class Inhibitor {
 public:
  // `rules` must outlive it; `firing` is only read here.
  Inhibitor(const std::vector<InhibitRule>& rules, const std::vector<const Alert*>& firing);

  // Fingerprint of a firing alert that mutes `target`, 0 when there is none. An alert that matches
  // both sides of a rule is not muted by one that does so too, itself least of all.
  uint64_t InhibitedBy(const Alert& target) const;

 private:
  struct Sources {
    const InhibitRule* rule;
    // By the values of the `equal` labels: a source matching the source side only, and one
    // matching both sides; 0 = none.
    struct Found {
      uint64_t one_sided = 0;
      uint64_t two_sided = 0;
    };
    std::map<Labels, Found> by_equal;
  };
  std::vector<Sources> sources_;
};

}  // namespace deckwatch::alerting
