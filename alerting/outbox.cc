#include "alerting/outbox.h"

#include <algorithm>
#include <cmath>

#include "base/bytes.h"
#include "base/log.h"

namespace deckwatch::alerting {
namespace {

// Row: "outbox/" + id in hexadecimal -> version 1, varint change, byte "has before", [log entry],
// notification.
constexpr std::string_view kRowPrefix = "outbox/";
constexpr uint8_t kRowVersion = 1;

constexpr double kFirstBackoffMs = 500;
constexpr double kBackoffFactor = 1.5;
constexpr double kMaxBackoffMs = 60'000;

std::string RowKey(uint64_t id) {
  return std::string(kRowPrefix) + FingerprintHex(id);
}

// 0.5 s, growing by half, a minute at most; spread over ±50 % so that lanes do not march in step.
int64_t BackoffMs(const OutboxItem& item) {
  const double base = std::min(
      kMaxBackoffMs, kFirstBackoffMs * std::pow(kBackoffFactor, std::min(item.attempts, 30)));
  const uint64_t seed = StableHash(item.IdempotencyKey() + std::to_string(item.attempts));
  return static_cast<int64_t>(base * (0.5 + static_cast<double>(seed % 1000) / 1000));
}

Result<OutboxItem> DecodeItem(std::string_view row) {
  Reader r(row);
  OutboxItem item;
  uint8_t version = 0, has_before = 0;
  std::string_view before, notification;
  if (!r.GetByte(&version) || version != kRowVersion || !r.GetVarint(&item.change) ||
      !r.GetByte(&has_before) || !r.GetString(&before) || !r.GetString(&notification) ||
      !r.AtEnd()) {
    return Status::Corruption("outbox row is malformed");
  }
  if (has_before != 0) {
    TRY_ASSIGN(item.before, DecodeLogEntry(before));
  }
  TRY_ASSIGN(item.notification, DecodeNotification(notification));
  item.lane = item.notification.Lane();
  return item;
}

}  // namespace

std::string OutboxItem::IdempotencyKey() const {
  return FingerprintHex(StableHash(lane)) + "-" + std::to_string(change);
}

Result<std::unique_ptr<Outbox>> Outbox::Open(StateStore* state) {
  std::unique_ptr<Outbox> outbox(new Outbox(state));
  Status status;
  TRY(state->Scan(kRowPrefix, [&](std::string_view key, std::string_view row) {
    Result<OutboxItem> item = DecodeItem(row);
    status = item.status();
    if (!status.ok()) return false;
    item->id = std::stoull(std::string(key.substr(kRowPrefix.size())), nullptr, 16);
    outbox->Add(std::move(*item));
    return true;
  }));
  TRY(status);
  return outbox;
}

OutboxItem Outbox::Prepare(Notification notification, uint64_t change,
                           std::optional<LogEntry> before) {
  OutboxItem item;
  item.change = change;
  item.lane = notification.Lane();
  item.notification = std::move(notification);
  item.before = std::move(before);
  const auto lane = lanes_.find(item.lane);
  if (lane == lanes_.end() || lane->second.size() < kMaxLane || lane->second.back().in_flight) {
    item.id = next_id_++;
    return item;
  }
  // Alerts of the older message that the newer one knows nothing of stay as they were.
  const OutboxItem& last = lane->second.back();
  item.id = last.id;
  item.before = last.before;
  std::vector<Alert>& alerts = item.notification.alerts;
  const size_t newer = alerts.size();
  for (const Alert& a : last.notification.alerts) {
    const auto same = [&](const Alert& b) { return b.labels == a.labels; };
    if (std::none_of(alerts.begin(), alerts.begin() + newer, same)) alerts.push_back(a);
  }
  SortAlerts(&alerts);
  return item;
}

StateChange Outbox::RowOf(const OutboxItem& item) {
  std::string row(1, static_cast<char>(kRowVersion));
  PutVarint(&row, item.change);
  row += static_cast<char>(item.before.has_value());
  PutString(&row, item.before ? EncodeLogEntry(*item.before) : "");
  PutString(&row, EncodeNotification(item.notification));
  return {RowKey(item.id), std::move(row)};
}

void Outbox::Add(OutboxItem item) {
  next_id_ = std::max(next_id_, item.id + 1);
  std::deque<OutboxItem>& lane = lanes_[item.lane];
  if (!lane.empty() && lane.back().id == item.id) {
    item.next_attempt_ms = lane.back().next_attempt_ms;
    lane.back() = std::move(item);
  } else {
    lane.push_back(std::move(item));
  }
}

std::vector<const OutboxItem*> Outbox::Claim(int64_t now_ms) {
  std::vector<const OutboxItem*> out;
  for (auto& [name, lane] : lanes_) {
    OutboxItem& head = lane.front();
    if (head.in_flight || head.next_attempt_ms > now_ms) continue;
    head.in_flight = true;
    out.push_back(&head);
  }
  return out;
}

OutboxItem* Outbox::Find(uint64_t id) {
  for (auto& [name, lane] : lanes_) {
    if (lane.front().id == id) return &lane.front();
  }
  return nullptr;
}

std::optional<OutboxItem> Outbox::Complete(uint64_t id, const SendOutcome& outcome,
                                           int64_t now_ms) {
  OutboxItem* item = Find(id);
  if (item == nullptr) return std::nullopt;
  item->in_flight = false;
  const bool too_old = now_ms - item->notification.created_at_ms > kMaxAgeMs;
  const bool again = outcome.kind == SendOutcome::Kind::kRetry && !too_old;
  if (again) {
    item->next_attempt_ms = now_ms + std::max(BackoffMs(*item), outcome.retry_after_ms);
    ++item->attempts;
    return std::nullopt;
  }
  // When the row cannot be deleted the item is kept: sent twice rather than never.
  if (Status s = state_->Apply({{RowKey(id), std::nullopt}}); !s.ok()) {
    LogError("outbox row not deleted", {{"err", s}});
    item->next_attempt_ms = now_ms + static_cast<int64_t>(kMaxBackoffMs);
    return std::nullopt;
  }
  OutboxItem done = std::move(*item);
  const auto lane = lanes_.find(done.lane);
  lane->second.pop_front();
  if (lane->second.empty()) lanes_.erase(lane);
  if (outcome.kind == SendOutcome::Kind::kDelivered) return std::nullopt;
  return done;
}

size_t Outbox::size() const {
  size_t n = 0;
  for (const auto& [name, lane] : lanes_) n += lane.size();
  return n;
}

int64_t Outbox::NextDueMs() const {
  int64_t next = INT64_MAX;
  for (const auto& [name, lane] : lanes_) {
    if (!lane.front().in_flight) next = std::min(next, lane.front().next_attempt_ms);
  }
  return next;
}

}  // namespace deckwatch::alerting
