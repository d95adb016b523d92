#include "base/relabel.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <clocale>
#include <cstring>
#include <cwctype>

#include <openssl/evp.h>

namespace deckwatch {

namespace {

constexpr std::string_view kDefaultRegex = "(.*)";
constexpr std::string_view kDefaultReplacement = "$1";
constexpr std::string_view kDefaultSeparator = ";";

struct ActionName {
  std::string_view name;
  RelabelAction action;
};
constexpr std::array<ActionName, 11> kActions = {{{"replace", RelabelAction::kReplace},
                                                  {"keep", RelabelAction::kKeep},
                                                  {"drop", RelabelAction::kDrop},
                                                  {"keepequal", RelabelAction::kKeepEqual},
                                                  {"dropequal", RelabelAction::kDropEqual},
                                                  {"hashmod", RelabelAction::kHashMod},
                                                  {"labelmap", RelabelAction::kLabelMap},
                                                  {"labeldrop", RelabelAction::kLabelDrop},
                                                  {"labelkeep", RelabelAction::kLabelKeep},
                                                  {"lowercase", RelabelAction::kLowercase},
                                                  {"uppercase", RelabelAction::kUppercase}}};

bool NeedsTarget(RelabelAction a) {
  return a != RelabelAction::kKeep && a != RelabelAction::kDrop && a != RelabelAction::kLabelMap &&
         a != RelabelAction::kLabelDrop && a != RelabelAction::kLabelKeep;
}

bool IsValidName(std::string_view name) {
  return !name.empty() && IsValidUtf8(name);
}

// Checks that depend on the action. Every message ends with what Prometheus would name too.
Status Validate(const YamlDecoder& d, const RelabelRule& r, std::string_view action) {
  const std::string what = " for action " + std::string(action);
  if (r.action == RelabelAction::kHashMod && r.modulus == 0) {
    return d.Error("hashmod needs a non-zero modulus");
  }
  if (NeedsTarget(r.action) && r.target_label.empty()) {
    return d.Error("target_label is required" + what);
  }
  if (NeedsTarget(r.action) && !IsValidName(r.target_label)) {
    return d.ErrorAt("target_label", QuoteGo(r.target_label) + " is not a label name" + what);
  }
  if (r.action == RelabelAction::kLabelMap && !IsValidName(r.replacement)) {
    return d.ErrorAt("replacement", QuoteGo(r.replacement) + " is not a label name" + what);
  }
  const bool own_replacement = r.replacement != kDefaultReplacement;
  const bool own_separator = r.separator != kDefaultSeparator;
  switch (r.action) {
    case RelabelAction::kLowercase:
    case RelabelAction::kUppercase:
      if (own_replacement) return d.ErrorAt("replacement", "cannot be set" + what);
      break;
    case RelabelAction::kKeepEqual:
    case RelabelAction::kDropEqual:
      if (r.regex.pattern() != kDefaultRegex || r.modulus != 0 || own_separator ||
          own_replacement) {
        return d.Error("only source_labels and target_label can be set" + what);
      }
      break;
    case RelabelAction::kLabelDrop:
    case RelabelAction::kLabelKeep:
      if (!r.source_labels.empty() || !r.target_label.empty() || r.modulus != 0 || own_separator ||
          own_replacement) {
        return d.Error("only regex can be set" + what);
      }
      break;
    default: break;
  }
  return Status::Ok();
}

// Last eight bytes of the MD5 sum, as the number they are in network order.
uint64_t Md5Low(std::string_view s) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  CHECK(EVP_Digest(s.data(), s.size(), digest.data(), &size, EVP_md5(), nullptr) == 1);
  uint64_t low = 0;
  std::memcpy(&low, digest.data() + 8, sizeof low);
  return __builtin_bswap64(low);
}

// Unicode case mapping needs tables; the C library has them in its C.UTF-8 locale. Where that is
// missing, ASCII letters alone are mapped.
locale_t Utf8Locale() {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

std::string MapCase(const std::string& in, wint_t (*wide)(wint_t, locale_t), int (*narrow)(int)) {
  std::string out;
  out.reserve(in.size());
  const locale_t locale = Utf8Locale();
  const locale_t previous = locale != nullptr ? uselocale(locale) : nullptr;
  std::mbstate_t decode{}, encode{};
  for (size_t i = 0; i < in.size();) {
    const auto byte = static_cast<unsigned char>(in[i]);
    wchar_t wc = 0;
    const size_t n = byte < 0x80 ? 0 : std::mbrtowc(&wc, &in[i], in.size() - i, &decode);
    if (n == 0 || n > 4 || locale == nullptr) {
      out += byte < 0x80 ? static_cast<char>(narrow(byte)) : in[i];
      decode = {};
      ++i;
      continue;
    }
    char buffer[16];
    const size_t m =
        std::wcrtomb(buffer, static_cast<wchar_t>(wide(static_cast<wint_t>(wc), locale)), &encode);
    out.append(buffer, m <= sizeof buffer ? m : 0);
    i += n;
  }
  if (previous != nullptr) uselocale(previous);
  return out;
}

std::string Join(const RelabelRule& rule, const LabelsBuilder& labels) {
  std::string out;
  for (size_t i = 0; i < rule.source_labels.size(); ++i) {
    if (i > 0) out += rule.separator;
    out += labels.Get(rule.source_labels[i]);
  }
  return out;
}

void Replace(const RelabelRule& rule, const std::string& value, LabelsBuilder* labels) {
  std::string target, result;
  if (!rule.regex.Expand(value, rule.target_label, &target) || !IsValidName(target)) return;
  if (rule.regex.Expand(value, rule.replacement, &result)) labels->Set(target, result);
}

// Labels are taken as they were before the rule, so that a mapping cannot feed itself.
void MapNames(const RelabelRule& rule, LabelsBuilder* labels) {
  const auto before = labels->pairs();
  std::string name;
  for (const auto& [old_name, value] : before) {
    if (rule.regex.Expand(old_name, rule.replacement, &name) && !name.empty()) {
      labels->Set(name, value);
    }
  }
}

void FilterNames(const RelabelRule& rule, bool drop_matching, LabelsBuilder* labels) {
  const auto before = labels->pairs();
  for (const auto& label : before) {
    if (rule.regex.FullMatch(label.first) == drop_matching) labels->Del(label.first);
  }
}

bool Apply(const RelabelRule& rule, LabelsBuilder* labels) {
  const std::string value = Join(rule, *labels);
  switch (rule.action) {
    case RelabelAction::kDrop: return !rule.regex.FullMatch(value);
    case RelabelAction::kKeep: return rule.regex.FullMatch(value);
    case RelabelAction::kDropEqual: return labels->Get(rule.target_label) != value;
    case RelabelAction::kKeepEqual: return labels->Get(rule.target_label) == value;
    case RelabelAction::kReplace: Replace(rule, value, labels); return true;
    case RelabelAction::kLowercase:
      labels->Set(rule.target_label, MapCase(value, towlower_l, std::tolower));
      return true;
    case RelabelAction::kUppercase:
      labels->Set(rule.target_label, MapCase(value, towupper_l, std::toupper));
      return true;
    case RelabelAction::kHashMod:
      labels->Set(rule.target_label, std::to_string(Md5Low(value) % rule.modulus));
      return true;
    case RelabelAction::kLabelMap: MapNames(rule, labels); return true;
    case RelabelAction::kLabelDrop: FilterNames(rule, true, labels); return true;
    case RelabelAction::kLabelKeep: FilterNames(rule, false, labels); return true;
  }
  return true;
}

}  // namespace

std::string_view RelabelActionName(RelabelAction action) {
  return std::find_if(kActions.begin(), kActions.end(),
                      [action](const ActionName& a) { return a.action == action; })
      ->name;
}

Result<RelabelRule> RelabelRule::Parse(const YamlNode& node, std::string_view file) {
  RelabelRule rule;
  YamlDecoder d(node, file, "relabel_config");
  if (node.IsNull()) return d.Error("empty or null relabel rule");
  std::string action = "replace", regex(kDefaultRegex);
  int64_t modulus = 0;
  d.Strings("source_labels", &rule.source_labels).String("separator", &rule.separator);
  d.String("regex", &regex).Int("modulus", &modulus).String("target_label", &rule.target_label);
  d.String("replacement", &rule.replacement).String("action", &action);
  TRY(d.Finish());
  for (char& c : action) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const auto known = std::find_if(kActions.begin(), kActions.end(),
                                  [&](const ActionName& a) { return a.name == action; });
  if (known == kActions.end()) {
    return d.ErrorAt("action", "unknown relabel action " + QuoteGo(action));
  }
  rule.action = known->action;
  if (modulus < 0) return d.ErrorAt("modulus", "must not be negative");
  rule.modulus = static_cast<uint64_t>(modulus);
  for (const std::string& name : rule.source_labels) {
    if (!IsValidName(name)) {
      return d.ErrorAt("source_labels", QuoteGo(name) + " is not a label name");
    }
  }
  const Result<Regex> compiled = Regex::Compile(regex);
  if (!compiled.ok()) return d.ErrorAt("regex", compiled.status().message());
  rule.regex = *compiled;
  TRY(Validate(d, rule, action));
  return rule;
}

bool RelabelRule::operator==(const RelabelRule& o) const {
  return action == o.action && source_labels == o.source_labels && separator == o.separator &&
         regex.pattern() == o.regex.pattern() && modulus == o.modulus &&
         target_label == o.target_label && replacement == o.replacement;
}

void DecodeRelabelRules(YamlDecoder* d, std::string_view key, std::string_view file,
                        RelabelRules* out) {
  d->Each(key, [&](const YamlNode& node) -> Status {
    TRY_ASSIGN(RelabelRule rule, RelabelRule::Parse(node, file));
    out->push_back(std::move(rule));
    return Status::Ok();
  });
}

bool Relabel(const RelabelRules& rules, LabelsBuilder* labels) {
  for (const RelabelRule& rule : rules) {
    if (!Apply(rule, labels)) return false;
  }
  return true;
}

}  // namespace deckwatch
