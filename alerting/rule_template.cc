#include "alerting/rule_template.h"

namespace deckwatch::alerting {
namespace {

constexpr std::string_view kVariables[] = {"$labels", "$externalLabels", "$externalURL", "$value"};

}  // namespace

RuleTemplateData::RuleTemplateData(LabelsView labels, double value, LabelsView external_labels,
                                   std::string_view external_url)
    : labels_(StringMapValue(labels)),
      external_labels_(StringMapValue(external_labels)),
      external_url_(external_url),
      value_(value) {
  dot_ = ValueMap{.kind = ValueMap::Kind::kStruct,
                  .entries = {{"Labels", labels_},
                              {"ExternalLabels", external_labels_},
                              {"ExternalURL", external_url_},
                              {"Value", value_}},
                  .method = nullptr};
}

RuleTemplate::RuleTemplate(const std::string& alert, std::string_view text)
    : name_("__alert_" + alert), is_plain_(text.find("{{") == std::string_view::npos) {
  if (is_plain_) {
    plain_ = text;
  } else {
    status_ = set_.Add(name_, text, kVariables).Annotate("error parsing template " + name_);
  }
}

std::string RuleTemplate::Expand(const RuleTemplateData& data,
                                 const TemplateContext& context) const {
  if (is_plain_) return plain_;
  Status status = status_;
  if (status.ok()) {
    Result<std::string> out = set_.Execute(name_, data.dot_, context,
                                           {{"$labels", data.labels_},
                                            {"$externalLabels", data.external_labels_},
                                            {"$externalURL", data.external_url_},
                                            {"$value", data.value_}});
    if (out.ok()) return std::move(out).value();
    status = out.status().Annotate("error executing template " + name_);
  }
  return "<error expanding template: " + status.message() + ">";
}

}  // namespace deckwatch::alerting
