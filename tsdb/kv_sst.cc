// Writes the files that Kv::Ingest takes.
#include <filesystem>

#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>

#include "tsdb/kv.h"
#include "tsdb/kv_options.h"

namespace deckwatch::tsdb {

namespace {
rocksdb::Slice Slice(std::string_view s) {
  return {s.data(), s.size()};
}
}  // namespace

struct SstWriter::Impl {
  Impl(const rocksdb::Options& options) : writer(rocksdb::EnvOptions(), options) {}
  rocksdb::SstFileWriter writer;
  std::string path;
  uint64_t entries = 0;
};
SstWriter::SstWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SstWriter::~SstWriter() = default;

Result<std::unique_ptr<SstWriter>> SstWriter::Create(const std::string& path, Options options) {
  rocksdb::Options o;
  auto table = TableOptions(options.block_bytes);
  table.no_block_cache = true;
  o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  o.compression = rocksdb::kZSTD;
  o.compression_opts.level = options.zstd_level;
  o.info_log = NewRocksLog();
  auto impl = std::make_unique<Impl>(o);
  impl->path = path;
  TRY(FromRocks(impl->writer.Open(path)).Annotate("create " + path));
  return std::unique_ptr<SstWriter>(new SstWriter(std::move(impl)));
}

Status SstWriter::Put(std::string_view key, std::string_view value) {
  ++impl_->entries;
  return FromRocks(impl_->writer.Put(Slice(key), Slice(value)));
}

Result<uint64_t> SstWriter::Finish() {
  if (impl_->entries == 0) {
    std::error_code ignored;
    std::filesystem::remove(impl_->path, ignored);
    return uint64_t{0};
  }
  rocksdb::ExternalSstFileInfo info;
  TRY(FromRocks(impl_->writer.Finish(&info)).Annotate("finish " + impl_->path));
  return info.file_size;
}

}  // namespace deckwatch::tsdb
