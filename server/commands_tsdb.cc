#include "server/commands_tsdb.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "base/log.h"
#include "query/parser.h"
#include "server/api.h"
#include "server/openmetrics_export.h"
#include "server/openmetrics_import.h"
#include "server/progress.h"
#include "tsdb/db.h"
#include "tsdb/tools.h"

namespace deckwatch::server {

namespace {

constexpr size_t kImportMemoryBytes = size_t{256} << 20;

std::string Megabytes(uint64_t bytes) {
  return FormatFloat(static_cast<double>(bytes / 100'000) / 10) + " MB";
}

void Say(uint64_t n, const char* what) {
  if (n > 0) std::fprintf(stderr, "%s %s\n", GroupDigits(n).c_str(), what);
}

// ---- import

Status ReadHistory(const std::string& file, tsdb::History* history, ImportCounts* counts) {
  std::ifstream opened;
  uint64_t total = 0;
  if (file != "-") {
    opened.open(file, std::ios::binary);
    if (!opened) return Status::Io("cannot open " + file);
    std::error_code ec;
    total = std::filesystem::file_size(file, ec);
    if (ec) total = 0;  // a pipe
  }
  ProgressLine line;
  const auto progress = [&](const ImportCounts& c) {
    const double done =
        static_cast<double>(c.bytes) / static_cast<double>(std::max<uint64_t>(total, 1));
    line.Show(total > 0 ? done : -1,
              "read " + Megabytes(c.bytes) + ", " + GroupDigits(c.samples) + " samples");
  };
  return ReadOpenMetrics(file == "-" ? &std::cin : &opened, history, progress, counts)
      .Annotate(file == "-" ? "standard input" : file);
}

Status Import(const ToolCommand& command) {
  TRY_ASSIGN(const auto db, tsdb::OpenForImport(command.storage_path, command.retention_ms));
  TRY_ASSIGN(const auto history, db->NewHistory(kImportMemoryBytes));
  ImportCounts counts;
  TRY(ReadHistory(command.args[0], history.get(), &counts));
  AppendResult result;
  const size_t parts_before = db->Parts().size();
  {
    ProgressLine line;
    TRY(db->StoreHistory(
        history.get(),
        [&](double done) {
          line.Show(done, GroupDigits(db->Parts().size() - parts_before) + " parts written");
        },
        &result));
  }
  std::printf("%s samples of %s series read, %s stored in %s parts\n",
              GroupDigits(counts.samples).c_str(), GroupDigits(history->series()).c_str(),
              GroupDigits(result.appended).c_str(),
              GroupDigits(db->Parts().size() - parts_before).c_str());
  Say(result.duplicate, "samples were there already");
  Say(result.conflicting, "samples left out: another value is stored for their time");
  Say(result.too_old, "samples left out: older than the retention");
  Say(result.too_far_ahead, "samples left out: more than 10 minutes in the future");
  Say(counts.exemplars_too_long, "exemplars left out: more than 128 characters of labels");
  return {};
}

// ---- export

Result<ExportOptions> OptionsOf(const ToolCommand& command, const tsdb::Db& db) {
  ExportOptions options;
  for (const std::string& selector : command.match) {
    TRY_ASSIGN(auto matchers, query::ParseSelector(selector));
    options.matcher_sets.push_back(std::move(matchers));
  }
  const tsdb::DbStats stats = db.Stats();
  int64_t newest_ms = stats.head_max_ms;
  for (const auto& part : db.Parts()) newest_ms = std::max(newest_ms, part.max_ms);
  options.start_ms = stats.min_ms;
  options.end_ms = newest_ms;
  if (!command.start.empty()) {
    TRY_ASSIGN(const int64_t start_ms, ParseApiTime(command.start));
    options.start_ms = std::max(options.start_ms, start_ms);
  }
  if (!command.end.empty()) {
    TRY_ASSIGN(const int64_t end_ms, ParseApiTime(command.end));
    options.end_ms = std::min(options.end_ms, end_ms);
  }
  return options;
}

Status Export(const ToolCommand& command) {
  TRY_ASSIGN(const auto db, tsdb::OpenForTool(command.args[0]));
  TRY_ASSIGN(const ExportOptions options, OptionsOf(command, *db));
  std::FILE* out = stdout;
  if (!command.output.empty()) out = std::fopen(command.output.c_str(), "wb");
  if (out == nullptr) return Status::Io("cannot create " + command.output);
  ExportCounts counts;
  Status status;
  std::vector<std::string> losses;
  {
    ProgressLine line;
    TRY_ASSIGN(const auto querier, db->NewQuerier());
    status = WriteOpenMetrics(
        *querier, db->Metadata(""), options,
        [out](std::string_view text) {
          return std::fwrite(text.data(), 1, text.size(), out) == text.size()
                     ? Status()
                     : Status::Io("cannot write the text");
        },
        [&](double done) {
          if (out != stdout) line.Show(done, GroupDigits(counts.samples) + " samples");
        },
        &counts);
    losses = querier->Losses();
  }
  if (std::fflush(out) != 0 && status.ok()) status = Status::Io("cannot write the text");
  if (out != stdout) std::fclose(out);
  TRY(status);
  std::fprintf(stderr, "%s samples and %s exemplars written\n", GroupDigits(counts.samples).c_str(),
               GroupDigits(counts.exemplars).c_str());
  Say(counts.native_histograms, "native histograms left out: the text format has none");
  Say(counts.stale_markers, "stale markers left out");
  Say(counts.exemplars_left_out, "exemplars left out: no line of the text may have them");
  for (const std::string& loss : losses) std::fprintf(stderr, "warning: %s\n", loss.c_str());
  if (losses.empty()) return {};
  return Status::Corruption("the text is without the samples that are lost");
}

Status Verify(const std::string& dir) {
  {
    ProgressLine line;
    TRY(tsdb::Verify(
        dir, [&](double done) { line.Show(done); }, std::cout));
  }
  std::puts("every block is sound");
  return {};
}

Status Repair(const std::string& dir) {
  ProgressLine line;
  return tsdb::Repair(
      dir, [&](double done) { line.Show(done); }, std::cout);
}

Status Run(const ToolCommand& command) {
  const auto format = command.json ? tsdb::OutputFormat::kJson : tsdb::OutputFormat::kText;
  const std::string& dir = command.args[0];
  if (command.name == "tsdb import") return Import(command);
  if (command.name == "tsdb export") return Export(command);
  if (command.name == "tsdb list") return tsdb::List(dir, format, std::cout);
  if (command.name == "tsdb verify") return Verify(dir);
  if (command.name == "tsdb repair") return Repair(dir);
  if (command.name == "tsdb snapshot") return tsdb::Snapshot(dir, std::cout);
  if (command.name == "tsdb deletes") return tsdb::Deletes(dir, format, std::cout);
  if (command.name == "tsdb undelete") return tsdb::Undelete(dir, command.id);
  return tsdb::Analyze(dir, format, static_cast<size_t>(command.limit), std::cout);
}

}  // namespace

int RunTsdb(const ToolCommand& command) {
  ConfigureLog(LogLevel::kWarn, LogFormat::kLogfmt);  // opening a store is no news here
  const Status status = Run(command);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.message().c_str());
  return status.ok() ? 0 : 1;
}

}  // namespace deckwatch::server
