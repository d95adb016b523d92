#include "alerting/notification.h"

#include <algorithm>

#include "alerting/row.h"
#include "base/clock.h"
#include "base/json.h"

namespace deckwatch::alerting {
namespace {

constexpr uint8_t kRowVersion = 1;
constexpr std::string_view kZeroTime = "0001-01-01T00:00:00Z";  // Go's; "not ended"

std::string TimeText(int64_t t_ms) {
  if (t_ms == 0) return std::string(kZeroTime);
  std::string text = FormatRfc3339Ms(t_ms);  // …:05.120Z; Go leaves out zeros at the end
  text.pop_back();
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text + "Z";
}

// Pairs that all alerts share.
KeyValues Common(const std::vector<Alert>& alerts, const auto& pairs_of) {
  KeyValues common;
  if (alerts.empty()) return common;
  common = pairs_of(alerts[0]);
  for (const Alert& a : alerts) {
    const KeyValues pairs = pairs_of(a);
    std::erase_if(common,
                  [&](const auto& p) { return std::ranges::find(pairs, p) == pairs.end(); });
  }
  return common;
}

KeyValues Pairs(LabelsView labels) {
  KeyValues out;
  for (const LabelRef& l : labels) out.emplace_back(l.name, l.value);
  return out;
}

KeyValues CommonLabels(const Notification& n) {
  return Common(n.alerts, [](const Alert& a) { return Pairs(a.labels); });
}
KeyValues CommonAnnotations(const Notification& n) {
  return Common(n.alerts, [](const Alert& a) { return a.annotations; });
}

Result<Value> StringsMethod(const Value& self, std::string_view name, std::span<const Value> args);

// `alertname` first, the rest by name.
std::vector<std::pair<std::string, Value>> SortedPairs(const ValueMap& map) {
  std::vector<std::pair<std::string, Value>> pairs(map.entries.begin(), map.entries.end());
  std::stable_partition(pairs.begin(), pairs.end(),
                        [](const auto& p) { return p.first == "alertname"; });
  return pairs;
}

Result<Value> PairsMethod(const Value& self, std::string_view name, std::span<const Value>) {
  if (name != "Names" && name != "Values") return Status::NotFound("");
  ValueList out;
  for (const Value& pair : self.AsList()->items) {
    const std::string_view field = name == "Names" ? "Name" : "Value";
    out.items.push_back(pair.AsMap()->entries.find(field)->second);
  }
  return Value(std::move(out));
}

// KV's methods: SortedPairs, Names, Values, Remove.
Result<Value> StringsMethod(const Value& self, std::string_view name, std::span<const Value> args) {
  const ValueMap& map = *self.AsMap();
  ValueList list;
  if (name == "SortedPairs") {
    list.method = PairsMethod;
    for (auto& [key, value] : SortedPairs(map)) {
      list.items.push_back(ValueMap{.kind = ValueMap::Kind::kStruct,
                                    .entries = {{"Name", Value(key)}, {"Value", value}},
                                    .method = nullptr});
    }
    return Value(std::move(list));
  }
  if (name == "Names" || name == "Values") {
    for (auto& [key, value] : SortedPairs(map)) {
      list.items.push_back(name == "Names" ? Value(key) : value);
    }
    return Value(std::move(list));
  }
  if (name != "Remove") return Status::NotFound("");
  if (args.size() != 1 || args[0].AsList() == nullptr) {
    return Status::InvalidArgument("Remove takes a list of names");
  }
  ValueMap rest = map;
  for (const Value& key : args[0].AsList()->items) rest.entries.erase(key.ToString());
  return Value(std::move(rest));
}

// Alerts' methods: Firing, Resolved.
Result<Value> AlertsMethod(const Value& self, std::string_view name, std::span<const Value>) {
  if (name != "Firing" && name != "Resolved") return Status::NotFound("");
  ValueList out;
  const std::string_view want = name == "Firing" ? "firing" : "resolved";
  for (const Value& alert : self.AsList()->items) {
    if (alert.AsMap()->entries.find("Status")->second.ToString() == want)
      out.items.push_back(alert);
  }
  return Value(std::move(out));
}

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kZeroTimeNs = INT64_MIN;  // earlier than anything that happened

Value AlertValue(const Alert& a) {
  const auto time = [](int64_t t_ms) {
    return Value(ValueTime{t_ms == 0 ? kZeroTimeNs : t_ms * kNsPerMs});
  };
  return ValueMap{.kind = ValueMap::Kind::kStruct,
                  .entries = {{"Status", Value(a.ends_at_ms != 0 ? "resolved" : "firing")},
                              {"Labels", StringMapValue(a.labels.view(), StringsMethod)},
                              {"Annotations", StringMapValue(a.annotations, StringsMethod)},
                              {"StartsAt", time(a.starts_at_ms)},
                              {"EndsAt", time(a.ends_at_ms)},
                              {"GeneratorURL", Value(a.generator_url)},
                              {"Fingerprint", Value(FingerprintHex(Fingerprint(a.labels)))}},
                  .method = nullptr};
}

void WritePairs(JsonWriter* w, std::string_view key, const KeyValues& pairs) {
  w->Key(key).BeginObject();
  for (const auto& [name, value] : pairs) w->Key(name).String(value);
  w->EndObject();
}

void WriteAlert(JsonWriter* w, const Alert& a) {
  w->BeginObject();
  w->Key("status").String(a.ends_at_ms != 0 ? "resolved" : "firing");
  WritePairs(w, "labels", Pairs(a.labels));
  WritePairs(w, "annotations", a.annotations);
  w->Key("startsAt").String(TimeText(a.starts_at_ms));
  w->Key("endsAt").String(TimeText(a.ends_at_ms));
  w->Key("generatorURL").String(a.generator_url);
  w->Key("fingerprint").String(FingerprintHex(Fingerprint(a.labels)));
  w->EndObject();
}

}  // namespace

std::string_view NotificationReasonName(NotificationReason reason) {
  static constexpr std::string_view kNames[] = {"none",
                                                "first notification",
                                                "new alerts added",
                                                "some alerts resolved",
                                                "all alerts resolved",
                                                "repeat interval elapsed"};
  return kNames[static_cast<int>(reason)];
}

std::string Notification::Lane() const {
  return group_key + '\0' + receiver + '\0' + integration_type + '\0' +
         std::to_string(integration_index);
}

bool Notification::firing() const {
  return std::ranges::any_of(alerts, [](const Alert& a) { return a.ends_at_ms == 0; });
}

void SortAlerts(std::vector<Alert>* alerts) {
  std::ranges::sort(*alerts, [](const Alert& a, const Alert& b) {
    for (std::string_view name : {"job", "instance"}) {
      const int order = a.labels.Get(name).compare(b.labels.Get(name));
      if (order != 0) return order < 0;
    }
    return a.labels < b.labels;
  });
}

Value NotificationData(const Notification& n, std::string_view external_url) {
  ValueList alerts{.items = {}, .method = AlertsMethod};
  for (const Alert& a : n.alerts) alerts.items.push_back(AlertValue(a));
  return ValueMap{
      .kind = ValueMap::Kind::kStruct,
      .entries = {{"Receiver", Value(n.receiver)},
                  {"Status", Value(n.firing() ? "firing" : "resolved")},
                  {"Alerts", Value(std::move(alerts))},
                  {"GroupLabels", StringMapValue(n.group_labels.view(), StringsMethod)},
                  {"CommonLabels", StringMapValue(CommonLabels(n), StringsMethod)},
                  {"CommonAnnotations", StringMapValue(CommonAnnotations(n), StringsMethod)},
                  {"RouteLabels", StringMapValue(n.route_labels, StringsMethod)},
                  {"ExternalURL", Value(external_url)},
                  {"NotificationReason", Value(NotificationReasonName(n.reason))}},
      .method = nullptr};
}

std::string WebhookBody(const Notification& whole, std::string_view external_url,
                        int64_t max_alerts) {
  // As Alertmanager has it, status and common labels are those of the alerts that are shown.
  Notification n = whole;
  if (max_alerts > 0 && n.alerts.size() > static_cast<size_t>(max_alerts)) {
    n.alerts.resize(max_alerts);
  }
  std::string out;
  JsonWriter w(&out);
  w.BeginObject();
  w.Key("receiver").String(n.receiver);
  w.Key("status").String(n.firing() ? "firing" : "resolved");
  w.Key("alerts").BeginArray();
  for (const Alert& a : n.alerts) WriteAlert(&w, a);
  w.EndArray();
  WritePairs(&w, "groupLabels", Pairs(n.group_labels));
  WritePairs(&w, "commonLabels", CommonLabels(n));
  WritePairs(&w, "commonAnnotations", CommonAnnotations(n));
  w.Key("externalURL").String(external_url);
  w.Key("version").String("4");
  w.Key("groupKey").String(n.group_key);
  w.Key("truncatedAlerts").Uint(whole.alerts.size() - n.alerts.size());
  w.Key("notification_reason").String(NotificationReasonName(n.reason));
  w.EndObject();
  return out;
}

std::string EncodeNotification(const Notification& n) {
  std::string out(1, static_cast<char>(kRowVersion));
  out += static_cast<char>(n.reason);
  PutString(&out, n.receiver);
  PutString(&out, n.integration_type);
  PutVarint(&out, n.integration_index);
  PutString(&out, n.group_key);
  PutString(&out, n.group_labels.encoded());
  PutKeyValues(&out, n.route_labels);
  PutSignedVarint(&out, n.created_at_ms);
  PutVarint(&out, n.alerts.size());
  for (const Alert& a : n.alerts) PutAlert(&out, a);
  return out;
}

Result<Notification> DecodeNotification(std::string_view row) {
  const auto bad = [] { return Status::Corruption("notification row is malformed"); };
  Reader r(row);
  Notification n;
  uint8_t version = 0, reason = 0;
  uint64_t index = 0, count = 0;
  std::string_view receiver, type, key, labels;
  if (!r.GetByte(&version) || !r.GetByte(&reason) || !r.GetString(&receiver) ||
      !r.GetString(&type) || !r.GetVarint(&index) || !r.GetString(&key) || !r.GetString(&labels) ||
      !GetKeyValues(&r, &n.route_labels) || !r.GetSignedVarint(&n.created_at_ms) ||
      !r.GetVarint(&count) || count > r.remaining() || version != kRowVersion ||
      reason > static_cast<uint8_t>(NotificationReason::kRepeat)) {
    return bad();
  }
  n.reason = static_cast<NotificationReason>(reason);
  n.receiver = receiver;
  n.integration_type = type;
  n.integration_index = static_cast<int>(index);
  n.group_key = key;
  TRY_ASSIGN(n.group_labels, Labels::FromEncoded(labels));
  n.alerts.resize(count);
  for (Alert& a : n.alerts) {
    if (!GetAlert(&r, &a)) return bad();
  }
  if (!r.AtEnd()) return bad();
  return n;
}

}  // namespace deckwatch::alerting
