#include "alerting/rule_template.h"

namespace deckwatch::alerting {
namespace {

constexpr std::string_view kVariables[] = {"$labels", "$externalLabels", "$externalURL", "$value"};

std::string TemplateName(const std::string& alert) {
  return "__alert_" + alert;
}

}  // namespace

Status CheckRuleTemplate(const std::string& alert, std::string_view text) {
  return TemplateSet(TemplateDialect::kRules).Add(TemplateName(alert), text, kVariables);
}

RuleExpander::RuleExpander(std::string alert, const TemplateContext& context, LabelsView labels,
                           double value, LabelsView external_labels)
    : name_(TemplateName(alert)),
      context_(context),
      labels_(StringMapValue(labels)),
      value_(value),
      external_labels_(StringMapValue(external_labels)) {}

std::string RuleExpander::Expand(std::string_view text, std::string* error) const {
  if (text.find("{{") == std::string_view::npos) return std::string(text);
  const Value url(context_.external_url);
  const Value dot = ValueMap{.kind = ValueMap::Kind::kStruct,
                             .entries = {{"Labels", labels_},
                                         {"ExternalLabels", external_labels_},
                                         {"ExternalURL", url},
                                         {"Value", value_}},
                             .method = nullptr};
  TemplateSet set(TemplateDialect::kRules);
  Status status = set.Add(name_, text, kVariables).Annotate("error parsing template " + name_);
  if (status.ok()) {
    Result<std::string> out = set.Execute(name_, dot, context_,
                                          {{"$labels", labels_},
                                           {"$externalLabels", external_labels_},
                                           {"$externalURL", url},
                                           {"$value", value_}});
    if (out.ok()) return std::move(out).value();
    status = out.status().Annotate("error executing template " + name_);
  }
  if (error != nullptr) *error = status.message();
  return "<error expanding template: " + status.message() + ">";
}

}  // namespace deckwatch::alerting
