// The templates of alerting rules: labels and annotations, parsed once, expanded per alert.
#pragma once

#include <string>
#include <string_view>

#include "alerting/template.h"
#include "base/labels.h"
#include "base/status.h"

namespace deckwatch::alerting {

// What one alert offers to the templates of its rule; made once for all of them.
class RuleTemplateData {
 public:
  // `labels` are those of the sample, `value` its value.
  RuleTemplateData(LabelsView labels, double value, LabelsView external_labels,
                   std::string_view external_url);

 private:
  friend class RuleTemplate;
  Value dot_, labels_, external_labels_, external_url_, value_;
};

// Immutable; thread-safe.
class RuleTemplate {
 public:
  // A text that does not parse is kept with its error, see status(): it expands to that.
  RuleTemplate(const std::string& alert, std::string_view text);

  const Status& status() const { return status_; }

  // What the template says, or "<error expanding template: …>", as Prometheus does, so that a slip
  // in a template never loses an alert.
  std::string Expand(const RuleTemplateData& data, const TemplateContext& context) const;

 private:
  std::string name_;
  std::string plain_;  // a text without actions
  TemplateSet set_{TemplateDialect::kRules};
  Status status_;
  bool is_plain_;
};

}  // namespace deckwatch::alerting
