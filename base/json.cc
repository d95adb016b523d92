#include "base/json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include <nlohmann/json.hpp>

#include "base/labels.h"
#include "base/sample.h"

namespace deckwatch {

namespace {

// Builds our tree from nlohmann's event parser, which throws nothing and recurses nowhere.
class TreeBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit TreeBuilder(int max_depth) : max_depth_(static_cast<size_t>(max_depth)) {}
  bool null() override { return Add(Json()); }
  bool boolean(bool v) override { return Add(Json(v)); }
  bool number_integer(int64_t v) override { return Add(Json(v)); }
  bool number_unsigned(uint64_t v) override {
    return v <= INT64_MAX ? Add(Json(static_cast<int64_t>(v))) : Add(Json(static_cast<double>(v)));
  }
  bool number_float(double v, const std::string&) override { return Add(Json(v)); }
  bool string(std::string& v) override { return Add(Json(std::move(v))); }
  bool binary(nlohmann::json::binary_t&) override { return false; }
  bool start_object(size_t) override { return Open(false); }
  bool end_object() override { return Close(); }
  bool start_array(size_t) override { return Open(true); }
  bool end_array() override { return Close(); }
  bool key(std::string& v) override {
    stack_.back().key = std::move(v);
    return true;
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) override {
    error = "invalid JSON at byte " + std::to_string(position);
    return false;
  }
  Json root;
  std::string error;

 private:
  struct Frame {
    bool is_array;
    Json::Array array;
    Json::Object object;
    std::string key;
  };
  bool Open(bool is_array) {
    if (stack_.size() >= max_depth_) {
      error = "JSON is nested deeper than " + std::to_string(max_depth_) + " levels";
      return false;
    }
    stack_.push_back(Frame{is_array, {}, {}, {}});
    return true;
  }
  bool Close() {
    Frame f = std::move(stack_.back());
    stack_.pop_back();
    return f.is_array ? Add(Json(std::move(f.array))) : Add(Json(std::move(f.object)));
  }
  bool Add(Json v) {
    if (stack_.empty()) {
      root = std::move(v);
    } else if (stack_.back().is_array) {
      stack_.back().array.push_back(std::move(v));
    } else {
      stack_.back().object[std::move(stack_.back().key)] = std::move(v);
    }
    return true;
  }
  size_t max_depth_;
  std::vector<Frame> stack_;
};

const Json kNull;

}  // namespace

Result<Json> Json::Parse(std::string_view text, int max_depth) {
  TreeBuilder builder(max_depth);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) {
    return Status::InvalidArgument(builder.error);
  }
  // Assigned rather than moved in: at -O2 gcc 12 takes the move constructor of the variant for a
  // read of uninitialised bytes.
  Result<Json> out{Json()};
  *out = std::move(builder.root);
  return out;
}

bool Json::AsBool(bool fallback) const {
  const bool* b = std::get_if<bool>(&v_);
  return b ? *b : fallback;
}
double Json::AsDouble(double fallback) const {
  if (const double* d = std::get_if<double>(&v_)) return *d;
  if (const int64_t* i = std::get_if<int64_t>(&v_)) return static_cast<double>(*i);
  return fallback;
}
int64_t Json::AsInt(int64_t fallback) const {
  if (const int64_t* i = std::get_if<int64_t>(&v_)) return *i;
  if (const double* d = std::get_if<double>(&v_); d && std::fabs(*d) < 9.2e18)
    return static_cast<int64_t>(*d);
  return fallback;
}
const std::string& Json::AsString() const {
  static const std::string kEmpty;
  const std::string* s = std::get_if<std::string>(&v_);
  return s ? *s : kEmpty;
}
const Json::Array& Json::AsArray() const {
  static const Array kEmpty;
  const Array* a = std::get_if<Array>(&v_);
  return a ? *a : kEmpty;
}
const Json::Object& Json::AsObject() const {
  static const Object kEmpty;
  const Object* o = std::get_if<Object>(&v_);
  return o ? *o : kEmpty;
}
const Json& Json::operator[](std::string_view key) const {
  const Object& o = AsObject();
  auto it = o.find(key);
  return it == o.end() ? kNull : it->second;
}

std::string Json::Dump() const {
  std::string out;
  JsonWriter(&out).Value(*this);
  return out;
}

namespace {

// Whether a byte stands for itself inside a JSON string, whatever surrounds it.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (size_t c = 0x20; c < 0x80; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

// Whether each of eight bytes is plain.
bool ArePlain(uint64_t bytes) {
  constexpr uint64_t kOnes = 0x0101010101010101u, kHighs = 0x80 * kOnes;
  const auto has_zero = [](uint64_t b) { return (b - kOnes) & ~b & kHighs; };
  const uint64_t control = (bytes - 0x20 * kOnes) & ~bytes;
  return (((control | bytes) & kHighs) | has_zero(bytes ^ '"' * kOnes) |
          has_zero(bytes ^ '\\' * kOnes)) == 0;
}

size_t PlainPrefix(std::string_view s) {
  size_t n = 0;
  for (uint64_t bytes; n + sizeof bytes <= s.size(); n += sizeof bytes) {
    std::memcpy(&bytes, s.data() + n, sizeof bytes);
    if (!ArePlain(bytes)) break;
  }
  while (n < s.size() && kPlain[static_cast<unsigned char>(s[n])]) ++n;
  return n;
}

// Appends what stands at the beginning of `s`, which is not plain; returns how many bytes that is.
size_t AppendEscaped(std::string_view s, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  const auto c = static_cast<unsigned char>(s[0]);
  if (c >= 0x80) {
    const size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (n <= s.size() && IsValidUtf8(s.substr(0, n))) {
      out->append(s.substr(0, n));
      return n;
    }
    *out += "\xef\xbf\xbd";
    return 1;
  }
  switch (c) {
    case '"': *out += "\\\""; break;
    case '\\': *out += "\\\\"; break;
    case '\n': *out += "\\n"; break;
    case '\r': *out += "\\r"; break;
    case '\t': *out += "\\t"; break;
    default: *out += {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
  }
  return 1;
}

}  // namespace

bool IsPlainJson(std::string_view s) {
  return PlainPrefix(s) == s.size();
}

void AppendJsonString(std::string* out, std::string_view s) {
  *out += '"';
  for (;;) {
    const size_t plain = PlainPrefix(s);
    out->append(s.substr(0, plain));
    s.remove_prefix(plain);
    if (s.empty()) break;
    s.remove_prefix(AppendEscaped(s, out));
  }
  *out += '"';
}

void JsonWriter::BeforeValue() {
  if (after_key_) {
    after_key_ = false;
  } else if (!has_items_.empty()) {
    if (has_items_.back()) *out_ += ',';
    has_items_.back() = true;
  }
}
JsonWriter& JsonWriter::BeginObject() {
  BeforeValue();
  *out_ += '{';
  has_items_.push_back(false);
  return *this;
}
JsonWriter& JsonWriter::EndObject() {
  CHECK(!has_items_.empty() && !after_key_);
  has_items_.pop_back();
  *out_ += '}';
  return *this;
}
JsonWriter& JsonWriter::BeginArray() {
  BeforeValue();
  *out_ += '[';
  has_items_.push_back(false);
  return *this;
}
JsonWriter& JsonWriter::EndArray() {
  CHECK(!has_items_.empty() && !after_key_);
  has_items_.pop_back();
  *out_ += ']';
  return *this;
}
JsonWriter& JsonWriter::Key(std::string_view key) {
  BeforeValue();
  AppendJsonString(out_, key);
  *out_ += ':';
  after_key_ = true;
  return *this;
}
JsonWriter& JsonWriter::String(std::string_view v) {
  BeforeValue();
  AppendJsonString(out_, v);
  return *this;
}
JsonWriter& JsonWriter::Int(int64_t v) {
  return Raw(std::to_string(v));
}
JsonWriter& JsonWriter::Uint(uint64_t v) {
  return Raw(std::to_string(v));
}
JsonWriter& JsonWriter::Double(double v) {
  return std::isfinite(v) ? Raw(FormatFloat(v)) : Null();
}
JsonWriter& JsonWriter::Bool(bool v) {
  return Raw(v ? "true" : "false");
}
JsonWriter& JsonWriter::Null() {
  return Raw("null");
}
JsonWriter& JsonWriter::Raw(std::string_view json) {
  BeforeValue();
  *out_ += json;
  return *this;
}
JsonWriter& JsonWriter::Value(const Json& v) {
  if (v.IsArray()) {
    BeginArray();
    for (const Json& item : v.AsArray()) Value(item);
    return EndArray();
  }
  if (v.IsObject()) {
    BeginObject();
    for (const auto& [key, item] : v.AsObject()) Key(key).Value(item);
    return EndObject();
  }
  if (v.IsString()) return String(v.AsString());
  if (v.IsBool()) return Bool(v.AsBool());
  if (v.IsNull()) return Null();
  const double d = v.AsDouble();
  const int64_t i = v.AsInt();
  return static_cast<double>(i) == d ? Int(i) : Double(d);
}

}  // namespace deckwatch
