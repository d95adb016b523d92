// Values inside templates: Go's dynamic values as far as text/template can see them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "alerting/alert.h"
#include "base/labels.h"
#include "base/status.h"

namespace deckwatch::alerting {

class Value;

// A method of a list or map, e.g. `.Labels.SortedPairs`. NotFound: there is no such method.
using ValueMethod = Result<Value> (*)(const Value& self, std::string_view name,
                                      std::span<const Value> args);

struct ValueList;
struct ValueMap;

struct ValueTime {
  int64_t ns = 0;  // since the Unix epoch
};
struct ValueDuration {
  int64_t ns = 0;
};

// Cheap to copy: lists and maps are shared and immutable.
class Value {
 public:
  Value() = default;  // nil
  Value(bool v) : v_(v) {}
  Value(int64_t v) : v_(v) {}
  Value(int v) : v_(int64_t{v}) {}
  Value(double v) : v_(v) {}
  Value(std::string v) : v_(std::move(v)) {}
  Value(std::string_view v) : v_(std::string(v)) {}
  Value(const char* v) : v_(std::string(v)) {}
  Value(ValueTime v) : v_(v) {}
  Value(ValueDuration v) : v_(v) {}
  Value(ValueList v);
  Value(ValueMap v);

  bool IsNil() const { return std::holds_alternative<std::monostate>(v_); }
  const bool* AsBool() const { return std::get_if<bool>(&v_); }
  const int64_t* AsInt() const { return std::get_if<int64_t>(&v_); }
  const double* AsDouble() const { return std::get_if<double>(&v_); }
  const std::string* AsString() const { return std::get_if<std::string>(&v_); }
  const ValueTime* AsTime() const { return std::get_if<ValueTime>(&v_); }
  const ValueDuration* AsDuration() const { return std::get_if<ValueDuration>(&v_); }
  const ValueList* AsList() const;
  const ValueMap* AsMap() const;

  bool Truth() const;                 // Go's: not the zero value, not empty
  std::string_view TypeName() const;  // as Go's errors name it
  std::string ToString() const;       // as Go's %v prints it

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, ValueTime, ValueDuration,
               std::shared_ptr<const ValueList>, std::shared_ptr<const ValueMap>>
      v_;
};

struct ValueList {
  std::vector<Value> items;
  ValueMethod method = nullptr;
};

// A Go map with string keys, or a struct.
struct ValueMap {
  enum class Kind {
    kStrings,  // map[string]string: a missing key is ""
    kAny,      // map[string]interface{}: a missing key is nil
    kStruct,   // a missing field is an error
  };
  Kind kind = Kind::kAny;
  std::map<std::string, Value, std::less<>> entries;
  ValueMethod method = nullptr;
};

Value StringMapValue(LabelsView labels, ValueMethod method = nullptr);
Value StringMapValue(const KeyValues& pairs, ValueMethod method = nullptr);

// As Go's %v prints a float64: shortest digits, with an exponent below 1e-4 and from 1e6 on.
std::string FormatGoFloat(double v);
// Go's fmt.Sprintf: verbs v s q d f F e E g G x X t c and %%, flags "+-# 0", width and precision;
// mistakes come out in the text, as in Go ("%!d(string=x)").
std::string FormatGo(std::string_view format, std::span<const Value> args);
// Go's time.Duration.String ("1h2m3.5s") and time.Time.String for UTC.
std::string FormatGoDuration(int64_t ns);
std::string FormatGoTime(int64_t ns);

}  // namespace deckwatch::alerting
