#include "tsdb/tools.h"

#include <filesystem>
#include <iomanip>
#include <memory>
#include <random>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "tsdb/db.h"

namespace deckwatch::tsdb {

namespace {

std::vector<std::pair<const char*, uint64_t>> Classes(const BytesByClass& b) {
  return {{"values", b.values},     {"clocks", b.clocks}, {"labels", b.labels},
          {"postings", b.postings}, {"rows", b.rows},     {"registry", b.registry},
          {"state", b.state},       {"log", b.log},       {"other", b.other},
          {"total", b.total}};
}

std::vector<std::pair<const char*, const std::vector<NameCount>*>> Lists(const Cardinality& c) {
  return {{"series_by_metric", &c.series_by_metric},
          {"values_by_label", &c.values_by_label},
          {"bytes_by_label", &c.bytes_by_label},
          {"series_by_pair", &c.series_by_pair}};
}

// Of what is lost, for Corruption; fine when nothing is.
Status PrintLosses(const Db& db, std::ostream& out) {
  const std::vector<Loss> losses = db.Losses();
  for (const Loss& loss : losses) out << "lost: " << loss.ToString() << "\n";
  if (losses.empty()) return {};
  return Status::Corruption(std::to_string(losses.size()) + " ranges of time are lost in part");
}

}  // namespace

Result<std::unique_ptr<Db>> OpenForTool(const std::string& path) {
  if (!std::filesystem::exists(path + "/head")) {
    return Status::NotFound("there is no store in " + path);
  }
  return OpenForImport(path, 0);
}

Result<std::unique_ptr<Db>> OpenForImport(const std::string& path, int64_t retention_ms) {
  DbOptions options;
  options.path = path;
  options.retention_ms = retention_ms;
  options.background = false;
  return Db::Open(options);
}

Status Analyze(const std::string& path, OutputFormat format, size_t limit, std::ostream& out) {
  TRY_ASSIGN(const auto db, OpenForTool(path));
  TRY_ASSIGN(const BytesByClass bytes, db->Bytes());
  const DbStats stats = db->Stats();
  TRY_ASSIGN(const Cardinality top, db->StoredCardinality(limit));
  const uint64_t samples = stats.head_samples + stats.part_samples;
  if (format == OutputFormat::kJson) {
    std::string text;
    JsonWriter json(&text);
    json.BeginObject();
    json.Key("samples").Uint(samples).Key("head_samples").Uint(stats.head_samples);
    json.Key("head_series").Uint(stats.head_series).Key("parts").Uint(stats.parts);
    uint64_t part_series = 0;
    for (const Db::PartInfo& p : db->Parts()) part_series += p.series;
    json.Key("part_series").Uint(part_series);
    json.Key("bytes").BeginObject();
    for (const auto& [name, n] : Classes(bytes)) json.Key(name).Uint(n);
    json.EndObject();
    for (const auto& [name, list] : Lists(top)) {
      json.Key(name).BeginArray();
      for (const NameCount& n : *list) {
        json.BeginObject().Key("name").String(n.name).Key("count").Uint(n.count).EndObject();
      }
      json.EndArray();
    }
    json.EndObject();
    out << text << "\n";
    return {};
  }
  out << "samples " << samples << " (" << stats.head_samples << " in open windows), series in head "
      << stats.head_series << ", parts " << stats.parts << "\n\n";
  for (const auto& [name, n] : Classes(bytes)) {
    out << std::left << std::setw(10) << name << std::right << std::setw(14) << n;
    if (samples > 0) {
      out << std::fixed << std::setprecision(4) << std::setw(10)
          << static_cast<double>(n) / static_cast<double>(samples) << " bytes/sample";
    }
    out << "\n";
  }
  for (const auto& [name, list] : Lists(top)) {
    out << "\n" << name << "\n";
    for (const NameCount& n : *list) out << std::setw(12) << n.count << "  " << n.name << "\n";
  }
  return {};
}

Status Verify(const std::string& path, const std::function<void(double)>& progress,
              std::ostream& out) {
  TRY_ASSIGN(const auto db, OpenForTool(path));
  const Status sound = db->Verify(progress);
  (void)PrintLosses(*db, out);
  return sound;
}

Status Repair(const std::string& path, const std::function<void(double)>& progress,
              std::ostream& out) {
  TRY_ASSIGN(const auto db, OpenForTool(path));
  TRY(db->Repair(progress));
  const Status lost = PrintLosses(*db, out);
  if (lost.ok()) out << "nothing is damaged\n";
  return lost;
}

Status List(const std::string& path, OutputFormat format, std::ostream& out) {
  TRY_ASSIGN(const auto db, OpenForTool(path));
  const std::vector<Db::PartInfo> parts = db->Parts();
  if (format == OutputFormat::kJson) {
    std::string text;
    JsonWriter json(&text);
    json.BeginObject().Key("parts").BeginArray();
    for (const Db::PartInfo& p : parts) {
      json.BeginObject().Key("id").Uint(p.id).Key("level").String(p.level);
      json.Key("min_ms").Int(p.min_ms).Key("max_ms").Int(p.max_ms);
      json.Key("series").Uint(p.series).Key("samples").Uint(p.samples);
      json.Key("bytes").Uint(p.bytes).EndObject();
    }
    json.EndArray().Key("losses").BeginArray();
    for (const Loss& l : db->Losses()) {
      json.BeginObject().Key("min_ms").Int(l.min_ms).Key("max_ms").Int(l.max_ms);
      json.Key("found_ms").Int(l.found_ms).Key("what").String(l.what);
      json.Key("first_metric").String(l.first_metric);
      json.Key("last_metric").String(l.last_metric).EndObject();
    }
    json.EndArray().EndObject();
    out << text << "\n";
    return {};
  }
  for (const Db::PartInfo& p : parts) {
    out << p.id << "  " << p.level << "  " << FormatRfc3339Ms(p.min_ms) << "  "
        << FormatRfc3339Ms(p.max_ms) << "  series " << p.series << "  samples " << p.samples
        << "  bytes " << p.bytes << "\n";
  }
  (void)PrintLosses(*db, out);
  return {};
}

std::string NewSnapshotName(const Clock& clock) {
  const std::string t = FormatRfc3339Ms(clock.WallMs());
  std::string name = t.substr(0, 4) + t.substr(5, 2) + t.substr(8, 2) + "T" + t.substr(11, 2) +
                     t.substr(14, 2) + t.substr(17, 2) + "Z-";
  std::random_device random;
  for (int i = 0; i < 16; ++i) name += "0123456789abcdef"[random() % 16];
  return name;
}

Status Snapshot(const std::string& path, std::ostream& out) {
  TRY_ASSIGN(const auto db, OpenForTool(path));
  const std::string name = NewSnapshotName(*Clock::Real());
  TRY(db->Snapshot(name));
  out << path << "/snapshots/" << name << "\n";
  return {};
}

Status Deletes(const std::string& path, OutputFormat format, std::ostream& out) {
  TRY_ASSIGN(const auto db, OpenForTool(path));
  const std::vector<Db::DeleteInfo> deletes = db->Deletes();
  if (format == OutputFormat::kJson) {
    std::string text;
    JsonWriter json(&text);
    json.BeginArray();
    for (const Db::DeleteInfo& d : deletes) {
      json.BeginObject().Key("id").Uint(d.id).Key("matchers").String(d.selector);
      json.Key("created_ms").Int(d.created_ms).Key("undo_until_ms").Int(d.undo_until_ms);
      json.Key("start_ms").Int(d.start_ms).Key("end_ms").Int(d.end_ms).EndObject();
    }
    json.EndArray();
    out << text << "\n";
    return {};
  }
  for (const Db::DeleteInfo& d : deletes) {
    out << d.id << "  " << d.selector << "  " << FormatRfc3339Ms(d.start_ms) << "  "
        << FormatRfc3339Ms(d.end_ms) << "  deleted " << FormatRfc3339Ms(d.created_ms) << "  "
        << (d.undo_until_ms == 0 ? "cannot be undone"
                                 : "can be undone until " + FormatRfc3339Ms(d.undo_until_ms))
        << "\n";
  }
  return {};
}

Status Undelete(const std::string& path, uint64_t id) {
  TRY_ASSIGN(const auto db, OpenForTool(path));
  return db->Undelete(id);
}

}  // namespace deckwatch::tsdb
