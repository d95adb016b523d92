// JSON: a value tree for small documents, and a streaming writer for answers. nlohmann-json stays
// in json.cc.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"

namespace deckwatch {

class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::map<std::string, Json, std::less<>>;

  Json() = default;  // null
  template <typename T>
  requires(!std::is_same_v<std::decay_t<T>, Json>) Json(T v)
      : v_(std::move(v)) {}  // NOLINT: implicit on purpose

  // InvalidArgument with byte position when `text` is not JSON, is deeper than `max_depth` or has
  // bytes after the value.
  static Result<Json> Parse(std::string_view text, int max_depth = 64);

  bool IsNull() const { return std::holds_alternative<std::monostate>(v_); }
  bool IsBool() const { return std::holds_alternative<bool>(v_); }
  bool IsNumber() const {
    return std::holds_alternative<double>(v_) || std::holds_alternative<int64_t>(v_);
  }
  bool IsString() const { return std::holds_alternative<std::string>(v_); }
  bool IsArray() const { return std::holds_alternative<Array>(v_); }
  bool IsObject() const { return std::holds_alternative<Object>(v_); }

  // Lenient readers: the fallback when the value has another type.
  bool AsBool(bool fallback = false) const;
  double AsDouble(double fallback = 0) const;
  int64_t AsInt(int64_t fallback = 0) const;
  const std::string& AsString() const;  // "" when not a string
  const Array& AsArray() const;         // empty when not an array
  const Object& AsObject() const;       // empty when not an object

  // Null when absent or when this is no object; so j["a"]["b"].AsString() is safe on any input.
  const Json& operator[](std::string_view key) const;
  bool Has(std::string_view key) const { return !(*this)[key].IsNull(); }

  std::string Dump() const;  // compact

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> v_;
};

// Appends JSON text to a string, commas and escapes included. Invalid UTF-8 becomes U+FFFD. The
// caller keeps the nesting right (checked). Chainable: w.Key("a").Int(1).
class JsonWriter {
 public:
  explicit JsonWriter(std::string* out) : out_(out) {}

  JsonWriter& BeginObject();
  JsonWriter& EndObject();
  JsonWriter& BeginArray();
  JsonWriter& EndArray();
  JsonWriter& Key(std::string_view key);
  JsonWriter& String(std::string_view v);
  JsonWriter& Int(int64_t v);
  JsonWriter& Uint(uint64_t v);
  JsonWriter& Double(double v);  // shortest; NaN and Inf become null, as JSON has no word for them
  JsonWriter& Bool(bool v);
  JsonWriter& Null();
  JsonWriter& Raw(std::string_view json);  // one value, already JSON
  JsonWriter& Value(const Json& v);

 private:
  void BeforeValue();
  std::string* out_;
  std::vector<bool> has_items_;
  bool after_key_ = false;
};

void AppendJsonString(std::string* out, std::string_view s);
// Whether `s` needs no escapes: AppendJsonString only adds the quotes.
bool IsPlainJson(std::string_view s);

}  // namespace deckwatch
