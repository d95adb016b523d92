#include "alerting/inhibit.h"

namespace deckwatch::alerting {
namespace {

Labels EqualLabels(const InhibitRule& rule, LabelsView labels) {
  LabelsBuilder b(labels);
  b.Keep(rule.equal);
  return b.Build();
}

}  // namespace

Inhibitor::Inhibitor(const std::vector<InhibitRule>& rules,
                     const std::vector<const Alert*>& firing) {
  for (const InhibitRule& rule : rules) {
    Sources sources{.rule = &rule, .by_equal = {}};
    for (const Alert* a : firing) {
      if (!MatchesAll(rule.source_matchers, a->labels)) continue;
      Sources::Found& found = sources.by_equal[EqualLabels(rule, a->labels)];
      const bool both = MatchesAll(rule.target_matchers, a->labels);
      (both ? found.two_sided : found.one_sided) = Fingerprint(a->labels);
    }
    if (!sources.by_equal.empty()) sources_.push_back(std::move(sources));
  }
}

uint64_t Inhibitor::InhibitedBy(const Alert& target) const {
  for (const Sources& s : sources_) {
    if (!MatchesAll(s.rule->target_matchers, target.labels)) continue;
    const auto it = s.by_equal.find(EqualLabels(*s.rule, target.labels));
    if (it == s.by_equal.end()) continue;
    if (it->second.one_sided != 0) return it->second.one_sided;
    const bool both = MatchesAll(s.rule->source_matchers, target.labels);
    if (!both && it->second.two_sided != 0) return it->second.two_sided;
  }
  return 0;
}

}  // namespace deckwatch::alerting
