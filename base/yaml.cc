#include "base/yaml.h"

#include <charconv>
#include <fstream>
#include <set>
#include <sstream>

#include <yaml-cpp/yaml.h>

#include "base/clock.h"
#include "base/sample.h"

namespace deckwatch {

namespace {

constexpr size_t kMaxBytes = 16 << 20;
constexpr int kMaxDepth = 64;
constexpr size_t kMaxNodes = 2'000'000;  // after alias expansion

struct Converter {
  std::string_view file;
  size_t nodes = 0;

  Status Fail(const YAML::Mark& mark, std::string_view why) const {
    return Status::InvalidArgument(std::string(file) + ":" + std::to_string(mark.line + 1) + ":" +
                                   std::to_string(mark.column + 1) + ": " + std::string(why));
  }

  Status Convert(const YAML::Node& in, int depth, YamlNode* out) {
    if (depth > kMaxDepth) return Fail(in.Mark(), "nested deeper than 64 levels");
    if (++nodes > kMaxNodes) return Fail(in.Mark(), "more than 2000000 values");
    out->line = in.Mark().line + 1;
    out->column = in.Mark().column + 1;
    switch (in.Type()) {
      case YAML::NodeType::Undefined:
      case YAML::NodeType::Null: return Status::Ok();
      case YAML::NodeType::Scalar:
        out->scalar = in.Scalar();
        if (in.Tag() == "tag:yaml.org,2002:binary") TRY(DecodeBinary(in, &out->scalar));
        out->quoted = in.Tag() == "!";
        out->kind = YamlNode::Kind::kScalar;
        return Status::Ok();
      case YAML::NodeType::Sequence:
        out->kind = YamlNode::Kind::kSequence;
        for (const auto& item : in) {
          out->items.emplace_back();
          TRY(Convert(item, depth + 1, &out->items.back()));
        }
        return Status::Ok();
      case YAML::NodeType::Map: out->kind = YamlNode::Kind::kMap; return ConvertMap(in, depth, out);
    }
    return Status::Ok();
  }

  // `!!binary` text is base64; the bytes it stands for are what is meant.
  Status DecodeBinary(const YAML::Node& in, std::string* scalar) {
    const std::vector<unsigned char> bytes = YAML::DecodeBase64(*scalar);
    if (bytes.empty() && !scalar->empty()) return Fail(in.Mark(), "!!binary value is not base64");
    scalar->assign(bytes.begin(), bytes.end());
    return Status::Ok();
  }

  Status ConvertMap(const YAML::Node& in, int depth, YamlNode* out) {
    std::set<std::string> seen;
    for (const auto& entry : in) {
      const YAML::Mark mark = entry.first.Mark();
      if (!entry.first.IsScalar()) return Fail(mark, "a key must be a plain value");
      const std::string key = entry.first.Scalar();
      if (!seen.insert(key).second) return Fail(mark, "key \"" + key + "\" is given twice");
      out->entries.emplace_back(key, YamlNode());
      out->entry_marks.emplace_back(mark.line + 1, mark.column + 1);
      TRY(Convert(entry.second, depth + 1, &out->entries.back().second));
    }
    return Status::Ok();
  }
};

// yaml-cpp builds aliases as shared nodes, so a small text can stand for a huge tree and even for a
// cyclic one. Depth and node caps of the Converter bound what we make of it; this bounds yaml-cpp's
// own recursion.
bool NestsTooDeep(std::string_view text) {
  int depth = 0;
  for (char c : text) {
    if (c == '[' || c == '{') ++depth;
    if ((c == ']' || c == '}') && depth > 0) --depth;
    if (depth > 1000) return true;
  }
  return false;
}

}  // namespace

YamlNode::YamlNode() = default;
YamlNode::YamlNode(const YamlNode&) = default;
YamlNode::YamlNode(YamlNode&&) noexcept = default;
YamlNode& YamlNode::operator=(const YamlNode&) = default;
YamlNode& YamlNode::operator=(YamlNode&&) noexcept = default;
YamlNode::~YamlNode() = default;

const YamlNode* YamlNode::Find(std::string_view key) const {
  for (const auto& [name, value] : entries) {
    if (name == key) return &value;
  }
  return nullptr;
}

Result<YamlNode> ParseYaml(std::string_view text, std::string_view file) {
  if (text.size() > kMaxBytes) {
    return Status::InvalidArgument(std::string(file) + ": larger than 16 MB");
  }
  if (NestsTooDeep(text)) return Status::InvalidArgument(std::string(file) + ": nested too deep");
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    YamlNode out;
    Converter converter{file};
    TRY(converter.Convert(root, 0, &out));
    return out;
  } catch (const YAML::Exception& e) {
    return Converter{file}.Fail(e.mark, e.msg);
  } catch (const std::exception& e) {
    return Status::InvalidArgument(std::string(file) + ": " + e.what());
  }
}

Result<YamlNode> ParseYamlFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Status::NotFound("open " + path + ": no such file or not readable");
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad()) return Status::Io("read " + path + ": failed");
  return ParseYaml(text.str(), path);
}

Result<int64_t> ParseSizeBytes(std::string_view text) {
  const auto bad = [&] {
    return Status::InvalidArgument("not a valid size: \"" + std::string(text) + "\"");
  };
  double n = 0;
  auto r = std::from_chars(text.data(), text.data() + text.size(), n);
  if (r.ec != std::errc() || n < 0) return bad();
  std::string unit;
  for (const char* p = r.ptr; p != text.data() + text.size(); ++p)
    unit += static_cast<char>(*p & ~0x20);
  if (unit.size() > 1 && unit.ends_with("IB")) unit = unit.substr(0, unit.size() - 2) + "B";
  static constexpr std::string_view kUnits[] = {"B", "KB", "MB", "GB", "TB", "PB", "EB"};
  if (unit.empty()) return n == 0 ? Result<int64_t>(int64_t{0}) : bad();
  for (std::string_view u : kUnits) {
    if (unit == u) return n < 9e18 ? Result<int64_t>(static_cast<int64_t>(n)) : bad();
    n *= 1024;
  }
  return bad();
}

YamlDecoder::YamlDecoder(const YamlNode& node, std::string_view file, std::string_view section)
    : node_(node), file_(file), section_(section), taken_(node.entries.size()) {
  if (!node.IsNull() && node.kind != YamlNode::Kind::kMap) Fail(Error("expected a map"));
}

void YamlDecoder::Fail(Status s) {
  if (status_.ok()) status_ = std::move(s);
}

Status YamlDecoder::Error(std::string_view reason) const {
  return Status::InvalidArgument(std::string(file_) + ":" + std::to_string(node_.line) + ": " +
                                 section_ + ": " + std::string(reason));
}

Status YamlDecoder::ErrorAt(std::string_view key, std::string_view reason) const {
  int line = node_.line;
  for (size_t i = 0; i < node_.entries.size(); ++i) {
    if (node_.entries[i].first == key) line = node_.entry_marks[i].first;
  }
  return Status::InvalidArgument(std::string(file_) + ":" + std::to_string(line) + ": " + section_ +
                                 ": " + std::string(key) + ": " + std::string(reason));
}

const YamlNode* YamlDecoder::Take(std::string_view key) {
  for (size_t i = 0; i < node_.entries.size(); ++i) {
    if (node_.entries[i].first == key) {
      taken_[i] = true;
      return &node_.entries[i].second;
    }
  }
  return nullptr;
}

const YamlNode* YamlDecoder::TakeScalar(std::string_view key, std::string_view want) {
  const YamlNode* n = Take(key);
  if (n == nullptr || n->IsNull()) return nullptr;
  if (n->kind == YamlNode::Kind::kScalar) return n;
  Fail(ErrorAt(key, "expected " + std::string(want)));
  return nullptr;
}

YamlDecoder& YamlDecoder::String(std::string_view key, std::string* out) {
  if (const YamlNode* n = TakeScalar(key, "a string")) *out = n->scalar;
  return *this;
}

YamlDecoder& YamlDecoder::Bool(std::string_view key, bool* out) {
  const YamlNode* n = TakeScalar(key, "true or false");
  if (n == nullptr) return *this;
  std::string v;
  for (char c : n->scalar) v += static_cast<char>(c | 0x20);
  if (v == "true" || v == "yes" || v == "on") {
    *out = true;
  } else if (v == "false" || v == "no" || v == "off") {
    *out = false;
  } else {
    Fail(ErrorAt(key, "expected true or false, got \"" + n->scalar + "\""));
  }
  return *this;
}

YamlDecoder& YamlDecoder::Int(std::string_view key, int64_t* out) {
  const YamlNode* n = TakeScalar(key, "a whole number");
  if (n == nullptr) return *this;
  const std::string& s = n->scalar;
  auto r = std::from_chars(s.data(), s.data() + s.size(), *out);
  if (r.ec != std::errc() || r.ptr != s.data() + s.size()) {
    Fail(ErrorAt(key, "expected a whole number, got \"" + s + "\""));
  }
  return *this;
}

YamlDecoder& YamlDecoder::Double(std::string_view key, double* out) {
  const YamlNode* n = TakeScalar(key, "a number");
  if (n != nullptr && !ParseFloat(n->scalar, out)) {
    Fail(ErrorAt(key, "expected a number, got \"" + n->scalar + "\""));
  }
  return *this;
}

YamlDecoder& YamlDecoder::Duration(std::string_view key, int64_t* out_ms) {
  const YamlNode* n = TakeScalar(key, "a duration");
  if (n == nullptr) return *this;
  Result<int64_t> ms = ParseDurationMs(n->scalar);
  if (ms.ok()) {
    *out_ms = *ms;
  } else {
    Fail(ErrorAt(key, ms.status().message()));
  }
  return *this;
}

YamlDecoder& YamlDecoder::Size(std::string_view key, int64_t* out_bytes) {
  const YamlNode* n = TakeScalar(key, "a size");
  if (n == nullptr) return *this;
  Result<int64_t> bytes = ParseSizeBytes(n->scalar);
  if (bytes.ok()) {
    *out_bytes = *bytes;
  } else {
    Fail(ErrorAt(key, bytes.status().message()));
  }
  return *this;
}

YamlDecoder& YamlDecoder::Strings(std::string_view key, std::vector<std::string>* out) {
  const YamlNode* n = Take(key);
  if (n == nullptr) return *this;
  out->clear();
  if (n->IsNull()) return *this;
  if (n->kind != YamlNode::Kind::kSequence) {
    Fail(ErrorAt(key, "expected a list of strings"));
    return *this;
  }
  for (const YamlNode& item : n->items) {
    if (item.kind != YamlNode::Kind::kScalar) {
      Fail(ErrorAt(key, "expected a list of strings"));
      return *this;
    }
    out->push_back(item.scalar);
  }
  return *this;
}

YamlDecoder& YamlDecoder::StringMap(std::string_view key,
                                    std::vector<std::pair<std::string, std::string>>* out) {
  const YamlNode* n = Take(key);
  if (n == nullptr) return *this;
  out->clear();
  if (n->IsNull()) return *this;
  if (n->kind != YamlNode::Kind::kMap) {
    Fail(ErrorAt(key, "expected a map of strings"));
    return *this;
  }
  for (const auto& [name, value] : n->entries) {
    if (value.kind != YamlNode::Kind::kScalar && !value.IsNull()) {
      Fail(ErrorAt(key, "expected a string as value of \"" + name + "\""));
      return *this;
    }
    out->emplace_back(name, value.scalar);
  }
  return *this;
}

YamlDecoder& YamlDecoder::Child(std::string_view key,
                                const std::function<Status(const YamlNode&)>& parse) {
  const YamlNode* n = Take(key);
  if (n != nullptr && status_.ok()) Fail(parse(*n));
  return *this;
}

YamlDecoder& YamlDecoder::Each(std::string_view key,
                               const std::function<Status(const YamlNode&)>& parse) {
  const YamlNode* n = Take(key);
  if (n == nullptr || n->IsNull() || !status_.ok()) return *this;
  if (n->kind != YamlNode::Kind::kSequence) {
    Fail(ErrorAt(key, "expected a list"));
    return *this;
  }
  for (const YamlNode& item : n->items) {
    if (!status_.ok()) break;
    Fail(parse(item));
  }
  return *this;
}

YamlDecoder& YamlDecoder::Ignore(std::string_view key) {
  Take(key);
  return *this;
}

Status YamlDecoder::Finish() {
  for (size_t i = 0; i < taken_.size() && status_.ok(); ++i) {
    if (!taken_[i]) Fail(ErrorAt(node_.entries[i].first, "unknown key"));
  }
  return status_;
}

}  // namespace deckwatch
