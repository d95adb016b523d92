// The templates of alerting rules: labels and annotations, expanded per alert.
#pragma once

#include <string>
#include <string_view>

#include "alerting/template.h"
#include "base/labels.h"
#include "base/status.h"

namespace deckwatch::alerting {

// The first error of `text` as a template of rule `alert`; it is not run.
Status CheckRuleTemplate(const std::string& alert, std::string_view text);

// Expands templates for one alert of a rule; the data is made once for all of them.
class RuleExpander {
 public:
  // `context` must outlive the expander. `labels` are those of the sample, `value` its value.
  RuleExpander(std::string alert, const TemplateContext& context, LabelsView labels, double value,
               LabelsView external_labels);

  // What the template says, or "<error expanding template: …>", as Prometheus does, so that a slip
  // in a template never loses an alert. `error`, if not null, gets the reason.
  std::string Expand(std::string_view text, std::string* error) const;

 private:
  std::string name_;
  const TemplateContext& context_;
  Value labels_, value_, external_labels_;
};

}  // namespace deckwatch::alerting
