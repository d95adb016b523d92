#include "tsdb/kv_mirror.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <set>

#include <rocksdb/file_system.h>

#include "base/bytes.h"
#include "tsdb/kv_log.h"
#include "tsdb/kv_options.h"

namespace deckwatch::tsdb {

namespace {

namespace fs = std::filesystem;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

constexpr std::string_view kManifest = "MANIFEST-", kMirror = "MIRROR-";

// The path of the mirror; empty when `file` is no MANIFEST.
std::string MirrorOf(const std::string& file) {
  const size_t name = file.rfind('/') + 1;
  if (!std::string_view(file).substr(name).starts_with(kManifest)) return {};
  return file.substr(0, name).append(kMirror).append(file, name + kManifest.size());
}

// Frames are of no use in another file: not in that of another database either.
uint64_t StartOfHash(const std::string& mirror) {
  const fs::path path(mirror);
  return Fnv1a((path.parent_path().filename() / path.filename()).string());
}

class MirroredFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  MirroredFile(std::unique_ptr<rocksdb::FSWritableFile> file, const std::string& mirror_path,
               std::unique_ptr<rocksdb::FSWritableFile> mirror)
      : FSWritableFileOwnerWrapper(std::move(file)),
        hash_(StartOfHash(mirror_path)),
        mirror_(std::move(mirror)) {}

  IOStatus Append(const rocksdb::Slice& data, const IOOptions& o, IODebugContext* d) override {
    const IOStatus s = target()->Append(data, o, d);
    return s.ok() ? AppendToMirror(data, o, d) : s;
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& o,
                  const rocksdb::DataVerificationInfo& info, IODebugContext* d) override {
    const IOStatus s = target()->Append(data, o, info, d);
    return s.ok() ? AppendToMirror(data, o, d) : s;
  }
  IOStatus Flush(const IOOptions& o, IODebugContext* d) override {
    const IOStatus s = target()->Flush(o, d);
    return s.ok() ? mirror_->Flush(o, d) : s;
  }
  IOStatus Sync(const IOOptions& o, IODebugContext* d) override {
    const IOStatus s = target()->Sync(o, d);
    return s.ok() ? mirror_->Sync(o, d) : s;
  }
  IOStatus Fsync(const IOOptions& o, IODebugContext* d) override {
    const IOStatus s = target()->Fsync(o, d);
    return s.ok() ? mirror_->Fsync(o, d) : s;
  }
  IOStatus Close(const IOOptions& o, IODebugContext* d) override {
    const IOStatus s = target()->Close(o, d);
    const IOStatus mirror = mirror_->Close(o, d);
    return s.ok() ? mirror : s;
  }

 private:
  IOStatus AppendToMirror(const rocksdb::Slice& data, const IOOptions& o, IODebugContext* d) {
    const std::string_view bytes(data.data(), data.size());
    std::string frame;
    PutFixed32(&frame, static_cast<uint32_t>(bytes.size()));
    PutFixed64(&frame, Fnv1a(bytes, hash_));
    frame.append(bytes);
    return mirror_->Append(frame, o, d);
  }

  const uint64_t hash_;
  const std::unique_ptr<rocksdb::FSWritableFile> mirror_;
};

class MirroringFileSystem : public rocksdb::FileSystemWrapper {
 public:
  MirroringFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "DeckwatchMirroringFileSystem"; }

  IOStatus NewWritableFile(const std::string& file, const rocksdb::FileOptions& o,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext* d) override {
    IOStatus s = target()->NewWritableFile(file, o, result, d);
    if (s.ok() && file.ends_with(".log")) *result = WatchLog(file, std::move(*result));
    const std::string mirror = MirrorOf(file);
    if (!s.ok() || mirror.empty()) return s;
    std::unique_ptr<rocksdb::FSWritableFile> second;
    s = target()->NewWritableFile(mirror, o, &second, d);
    if (s.ok())
      *result = std::make_unique<MirroredFile>(std::move(*result), mirror, std::move(second));
    return s;
  }
  IOStatus DeleteFile(const std::string& file, const IOOptions& o, IODebugContext* d) override {
    if (file.ends_with(".log")) ForgetBegin(file);
    if (const std::string mirror = MirrorOf(file); !mirror.empty()) {
      (void)target()->DeleteFile(mirror, o, d);  // one that stays behind is removed by MendManifest
    }
    return target()->DeleteFile(file, o, d);
  }
};

// Empty when there is no such file.
Result<std::string> ReadWhole(const std::string& path) {
  std::string data;
  const auto s = rocksdb::ReadFileToString(rocksdb::Env::Default(), path, &data);
  if (s.IsNotFound() || s.IsPathNotFound()) return std::string();
  TRY(FromRocks(s));
  return data;
}

Status WriteDurably(const std::string& path, const std::string& data) {
  rocksdb::Env* env = rocksdb::Env::Default();
  TRY(FromRocks(rocksdb::WriteStringToFile(env, data, path + ".new", /*should_sync=*/true)));
  TRY(FromRocks(env->RenameFile(path + ".new", path)));
  std::unique_ptr<rocksdb::Directory> folder;
  TRY(FromRocks(env->NewDirectory(fs::path(path).parent_path().string(), &folder)));
  return FromRocks(folder->Fsync());
}

// What the mirror says up to its end or its first damage.
Result<std::string> ReadMirror(const std::string& path) {
  TRY_ASSIGN(const std::string data, ReadWhole(path));
  const uint64_t start = StartOfHash(path);
  std::string out;
  Reader in(data);
  uint32_t length;
  uint64_t hash;
  std::string_view bytes;
  while (in.GetFixed32(&length) && in.GetFixed64(&hash) && in.GetBytes(length, &bytes) &&
         Fnv1a(bytes, start) == hash) {
    out.append(bytes);
  }
  return out;
}

uint32_t Crc32c(std::string_view bytes) {
  uint32_t crc = ~uint32_t{0};
  for (const char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (0x82f63b78 & (0 - (crc & 1)));
  }
  return ~crc;
}

// Where the last whole record of a MANIFEST ends. It is made of blocks of 32 KB, and these of
// pieces: checksum (4, of what follows the length, masked), length (2), type (1: a whole record, 2:
// its first, 3: another, 4: its last piece), the bytes.
size_t SoundLength(std::string_view manifest) {
  constexpr size_t kBlock = 32 << 10, kHead = 7;
  size_t sound = 0;
  for (size_t at = 0; at + kHead <= manifest.size();) {
    const size_t room = kBlock - at % kBlock;
    if (room < kHead) {
      at += room;
      continue;
    }
    Reader in(manifest.substr(at));
    uint32_t masked;
    uint8_t low, high, type;
    std::string_view bytes;
    if (!in.GetFixed32(&masked) || !in.GetByte(&low) || !in.GetByte(&high)) break;
    const size_t length = low | size_t{high} << 8;
    if (!in.GetByte(&type) || type < 1 || type > 4 || kHead + length > room) break;
    if (!in.GetBytes(length, &bytes)) break;
    const uint32_t crc = Crc32c(manifest.substr(at + kHead - 1, 1 + length));
    if (masked != (crc >> 15 | crc << 17) + 0xa282ead8) break;
    at += kHead + length;
    if (type == 1 || type == 4) sound = at;
  }
  return sound;
}

struct Found {
  std::set<uint64_t> numbers;  // of MANIFESTs and mirrors
  bool any_file = false;       // something that only a database has
};

Found LookInto(const std::string& path) {
  Found found;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(path, ec)) {
    const std::string name = entry.path().filename().string();
    for (const std::string_view prefix : {kManifest, kMirror}) {
      uint64_t number;
      const char* end = name.data() + name.size();
      if (!name.starts_with(prefix)) continue;
      const auto r = std::from_chars(name.data() + prefix.size(), end, number);
      if (r.ec == std::errc() && r.ptr == end) found.numbers.insert(number);
    }
    found.any_file |= name == "CURRENT" || name.ends_with(".sst") || name.ends_with(".log");
  }
  return found;
}

std::string Numbered(std::string_view prefix, uint64_t number) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "%06llu", static_cast<unsigned long long>(number));
  return std::string(prefix) + digits;
}

}  // namespace

rocksdb::Env* MirroringEnv() {
  static rocksdb::Env* const env =
      rocksdb::NewCompositeEnv(std::make_shared<MirroringFileSystem>()).release();
  return env;
}

Status MendManifest(const std::string& path, Quarantine* quarantine) {
  const Found found = LookInto(path);
  if (!found.any_file) return {};  // to be created, again perhaps: the last try was cut short
  if (found.numbers.empty()) {
    return Status::Corruption(path + ": CURRENT, MANIFEST and its mirror are gone");
  }
  TRY_ASSIGN(const std::string current, ReadWhole(path + "/CURRENT"));
  uint64_t number = 0;
  for (const uint64_t n : found.numbers) {
    if (current == Numbered(kManifest, n) + "\n") number = n;
  }
  if (number == 0) {
    // One that is being written has a higher number than the one it replaces, and says the same.
    number = *found.numbers.rbegin();
    TRY(quarantine->Move(path + "/CURRENT", "named no MANIFEST; written anew"));
    TRY(WriteDurably(path + "/CURRENT", Numbered(kManifest, number) + "\n"));
  }
  const std::string manifest_path = path + "/" + Numbered(kManifest, number);
  TRY_ASSIGN(const std::string manifest, ReadWhole(manifest_path));
  TRY_ASSIGN(const std::string mirror, ReadMirror(path + "/" + Numbered(kMirror, number)));
  if (!manifest.starts_with(mirror)) {
    TRY(quarantine->Move(manifest_path, "differed from its mirror; written anew from that"));
    TRY(WriteDurably(manifest_path, mirror));
  } else if (mirror.size() < manifest.size()) {
    // A power cut may leave anything of what was not synced, in both. Such an end was never relied
    // on; what is whole beyond the mirror may have been.
    const size_t sound = std::max(SoundLength(manifest), mirror.size());
    if (sound < manifest.size()) TRY(WriteDurably(manifest_path, manifest.substr(0, sound)));
  }
  for (const uint64_t n : found.numbers) {
    std::error_code ignored;
    if (n == number || fs::exists(path + "/" + Numbered(kManifest, n), ignored)) continue;
    fs::remove(path + "/" + Numbered(kMirror, n), ignored);
  }
  return {};
}

}  // namespace deckwatch::tsdb
