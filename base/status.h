// Errors as values: Status, Result<T>, TRY, TRY_ASSIGN, CHECK.
//
// We throw nothing. A function that can fail returns Status or Result<T>; callers propagate with
// TRY / TRY_ASSIGN and add context on the way up (`status.Annotate("load rules.yml")`). Messages
// say what failed, with which value and where. CHECK is for broken invariants of our own only; it
// must not be reachable from user, disk or network input.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace deckwatch {

enum class StatusCode {
  kOk,
  kInvalidArgument,    // the caller's input is wrong (HTTP 400)
  kNotFound,           // the named thing does not exist (404)
  kAlreadyExists,      // the named thing exists already
  kOutOfRange,         // beyond a bound of time or size
  kResourceExhausted,  // a limit or budget was hit (422 / 503)
  kUnavailable,        // not now: starting, stopping, disk full (503)
  kDeadlineExceeded,   // took too long (503)
  kCancelled,          // the caller went away (499)
  kCorruption,         // stored bytes are damaged
  kIo,                 // the operating system or the network said no
  kInternal,           // our own bug, reported instead of crashing
};

std::string_view StatusCodeName(StatusCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  static Status Ok() { return {}; }
  static Status InvalidArgument(std::string m) {
    return {StatusCode::kInvalidArgument, std::move(m)};
  }
  static Status NotFound(std::string m) { return {StatusCode::kNotFound, std::move(m)}; }
  static Status ResourceExhausted(std::string m) {
    return {StatusCode::kResourceExhausted, std::move(m)};
  }
  static Status Unavailable(std::string m) { return {StatusCode::kUnavailable, std::move(m)}; }
  static Status DeadlineExceeded(std::string m) {
    return {StatusCode::kDeadlineExceeded, std::move(m)};
  }
  static Status Cancelled(std::string m) { return {StatusCode::kCancelled, std::move(m)}; }
  static Status Corruption(std::string m) { return {StatusCode::kCorruption, std::move(m)}; }
  static Status Io(std::string m) { return {StatusCode::kIo, std::move(m)}; }
  static Status Internal(std::string m) { return {StatusCode::kInternal, std::move(m)}; }

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same error with `context: ` in front; OK stays OK.
  Status Annotate(std::string_view context) const {
    if (ok()) return *this;
    return {code_, std::string(context) + ": " + message_};
  }

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

// A value or the error that kept it from being made. `value()` requires ok().
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT: implicit on purpose
  Result(Status status) : status_(std::move(status)) {}  // NOLINT: implicit on purpose

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  T& value() & { return *value_; }
  const T& value() const& { return *value_; }
  T&& value() && { return std::move(*value_); }
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T&& operator*() && { return std::move(*value_); }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  std::optional<T> value_;
  Status status_;
};

namespace internal {
inline const Status& ToStatus(const Status& s) {
  return s;
}
template <typename T>
const Status& ToStatus(const Result<T>& r) {
  return r.status();
}
[[noreturn]] inline void CheckFailed(const char* what, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: invariant broken: %s\n", file, line, what);
  std::abort();
}
}  // namespace internal

}  // namespace deckwatch

#define DW_CONCAT_INNER(a, b) a##b
#define DW_CONCAT(a, b) DW_CONCAT_INNER(a, b)

// Returns from the enclosing function when `expr` (a Status) is an error.
#define TRY(expr)                                        \
  do {                                                   \
    if (auto dw_status = (expr); !dw_status.ok())        \
      return ::deckwatch::internal::ToStatus(dw_status); \
  } while (false)

// Assigns the value of `expr` (a Result) to `lhs`, or returns its error: TRY_ASSIGN(auto x,
// Parse(y));
#define TRY_ASSIGN(lhs, expr)                                                                 \
  auto DW_CONCAT(dw_result_, __LINE__) = (expr);                                              \
  if (!DW_CONCAT(dw_result_, __LINE__).ok()) return DW_CONCAT(dw_result_, __LINE__).status(); \
  lhs = std::move(DW_CONCAT(dw_result_, __LINE__)).value()

#define CHECK(cond)                                                             \
  do {                                                                          \
    if (!(cond)) ::deckwatch::internal::CheckFailed(#cond, __FILE__, __LINE__); \
  } while (false)
