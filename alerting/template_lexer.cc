#include "alerting/template_lexer.h"

#include <algorithm>
#include <charconv>

namespace deckwatch::alerting {
namespace {

using Kind = TemplateToken::Kind;

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
bool IsWordChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         (c & 0x80) != 0;
}

void AppendUtf8(std::string* out, uint32_t rune) {
  Value spec[] = {Value(static_cast<int64_t>(rune))};
  *out += FormatGo("%c", spec);
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : s_(text) {}

  Result<std::vector<TemplateToken>> Run() {
    while (i_ < s_.size()) {
      TRY(Text());
      if (i_ < s_.size()) TRY(Action());
    }
    Add(Kind::kEof, i_, "");
    return std::move(tokens_);
  }

 private:
  Status Fail(std::string_view reason) const {
    return Status::InvalidArgument(TemplateLine(s_, static_cast<int>(std::min(i_, s_.size()))) +
                                   ": " + std::string(reason));
  }

  TemplateToken& Add(Kind kind, size_t offset, std::string_view text) {
    tokens_.push_back({.kind = kind,
                       .text = std::string(text),
                       .literal = {},
                       .offset = static_cast<int>(offset),
                       .after_space = blank_before_});
    return tokens_.back();
  }

  // Everything up to the next "{{"; a "-" right after it, with a blank behind, eats blanks before.
  Status Text() {
    const size_t open = std::min(s_.find("{{", i_), s_.size());
    std::string_view text = s_.substr(i_, open - i_);
    if (trim_next_) {
      while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
    }
    trim_next_ = false;
    const bool trims = open + 3 < s_.size() && s_[open + 2] == '-' && IsBlank(s_[open + 3]);
    if (trims) {
      while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
    }
    if (!text.empty()) Add(Kind::kText, i_, text);
    i_ = open;
    if (open == s_.size()) return Status::Ok();
    i_ += trims ? 3 : 2;
    size_t p = i_;
    while (p < s_.size() && IsBlank(s_[p]) && trims) ++p;
    if (s_.substr(p, 2) == "/*") return Comment(p);
    Add(Kind::kOpen, open, "{{");
    return Status::Ok();
  }

  Status Comment(size_t start) {
    in_comment_ = true;
    const size_t end = s_.find("*/", start + 2);
    if (end == std::string_view::npos) return Fail("unclosed comment");
    i_ = end + 2;
    if (AtClose()) return Status::Ok();
    return Fail("comment ends before closing delimiter");
  }

  // Consumes "}}" or " -}}".
  bool AtClose() {
    if (s_.substr(i_, 2) == "}}") {
      i_ += 2;
      return true;
    }
    size_t p = i_;
    while (p < s_.size() && IsBlank(s_[p])) ++p;
    if (p == i_ || s_.substr(p, 3) != "-}}") return false;
    i_ = p + 3;
    trim_next_ = true;
    return true;
  }

  // The tokens of one action, its "}}" included.
  Status Action() {
    if (in_comment_) {
      in_comment_ = false;
      return Status::Ok();
    }
    while (true) {
      const size_t start = i_;
      if (AtClose()) {
        Add(Kind::kClose, start, "}}");
        return Status::Ok();
      }
      blank_before_ = false;
      while (i_ < s_.size() && IsBlank(s_[i_])) ++i_, blank_before_ = true;
      if (i_ == s_.size()) return Fail("unclosed action");
      if (blank_before_ && s_.substr(i_, 2) == "}}") continue;
      TRY(Token());
    }
  }

  Status Token() {
    const char c = s_[i_];
    const size_t start = i_;
    const auto symbol = [&](Kind kind, size_t n) {
      Add(kind, start, s_.substr(start, n));
      i_ += n;
      return Status::Ok();
    };
    switch (c) {
      case '|': return symbol(Kind::kPipe, 1);
      case ',': return symbol(Kind::kComma, 1);
      case '(': return symbol(Kind::kLeftParen, 1);
      case ')': return symbol(Kind::kRightParen, 1);
      case '=': return symbol(Kind::kAssign, 1);
      case '"': return Quoted('"');
      case '\'': return Quoted('\'');
      case '`': return Raw();
      default: break;
    }
    if (c == ':') {
      return s_.substr(i_, 2) == ":=" ? symbol(Kind::kDeclare, 2) : Fail("expected :=");
    }
    if (c == '.' && i_ + 1 < s_.size() && IsWordChar(s_[i_ + 1]) && !IsDigit(s_[i_ + 1])) {
      ++i_;
      Add(Kind::kField, start, Word());
      return Status::Ok();
    }
    if (IsDigit(c) || ((c == '+' || c == '-' || c == '.') && i_ + 1 < s_.size() &&
                       (IsDigit(s_[i_ + 1]) || s_[i_ + 1] == '.'))) {
      return Number();
    }
    if (c == '.') return symbol(Kind::kDot, 1);
    if (c == '$') {
      ++i_;
      Add(Kind::kVariable, start, "$" + std::string(Word()));
      return Status::Ok();
    }
    if (IsWordChar(c)) {
      Add(Kind::kWord, start, Word());
      return Status::Ok();
    }
    return Fail("unexpected " + QuoteGo(s_.substr(i_, 1)) + " in command");
  }

  static bool IsDigit(char c) { return c >= '0' && c <= '9'; }

  std::string_view Word() {
    const size_t start = i_;
    while (i_ < s_.size() && IsWordChar(s_[i_])) ++i_;
    return s_.substr(start, i_ - start);
  }

  // Go: an integer unless the text holds one of ".eEpP" (outside of hexadecimal).
  Status Number() {
    const size_t start = i_;
    if (s_[i_] == '+' || s_[i_] == '-') ++i_;
    while (i_ < s_.size() && (IsWordChar(s_[i_]) || s_[i_] == '.' ||
                              ((s_[i_] == '+' || s_[i_] == '-') && (s_[i_ - 1] | 32) == 'e'))) {
      ++i_;
    }
    std::string text(s_.substr(start, i_ - start));
    std::erase(text, '_');
    std::string_view digits = text;
    if (digits[0] == '+') digits.remove_prefix(1);
    const bool hex = digits.find('x') != std::string_view::npos;
    if (!hex && digits.find_first_of(".eE") != std::string_view::npos) {
      double d;
      const auto r = std::from_chars(digits.data(), digits.data() + digits.size(), d);
      if (r.ec != std::errc() || r.ptr != digits.data() + digits.size()) return BadNumber(text);
      Add(Kind::kLiteral, start, text).literal = d;
      return Status::Ok();
    }
    const bool negative = digits[0] == '-';
    if (negative) digits.remove_prefix(1);
    if (hex && digits.starts_with("0x")) digits.remove_prefix(2);
    int64_t n;
    const auto r = std::from_chars(digits.data(), digits.data() + digits.size(), n, hex ? 16 : 10);
    if (r.ec != std::errc() || r.ptr != digits.data() + digits.size()) return BadNumber(text);
    Add(Kind::kLiteral, start, text).literal = negative ? -n : n;
    return Status::Ok();
  }

  Status BadNumber(std::string_view text) const {
    return Fail("bad number syntax: " + QuoteGo(text));
  }

  Status Raw() {
    const size_t end = s_.find('`', i_ + 1);
    if (end == std::string_view::npos) return Fail("unterminated raw quoted string");
    TemplateToken& t = Add(Kind::kLiteral, i_, s_.substr(i_, end + 1 - i_));
    t.literal = s_.substr(i_ + 1, end - i_ - 1);
    i_ = end + 1;
    return Status::Ok();
  }

  // "…" is a string; '…' a character, whose value is its code point.
  Status Quoted(char quote) {
    const size_t start = i_++;
    std::string value;
    while (i_ < s_.size() && s_[i_] != quote && s_[i_] != '\n') {
      if (s_[i_] == '\\') {
        TRY(Escape(&value));
      } else {
        value += s_[i_++];
      }
    }
    if (i_ >= s_.size() || s_[i_] != quote) {
      return Fail(quote == '"' ? "unterminated quoted string" : "unterminated character constant");
    }
    ++i_;
    TemplateToken& t = Add(Kind::kLiteral, start, s_.substr(start, i_ - start));
    if (quote == '"') {
      t.literal = std::move(value);
      return Status::Ok();
    }
    if (value.size() != 1) return Fail("malformed character constant: " + t.text);
    t.literal = static_cast<int64_t>(static_cast<unsigned char>(value[0]));
    return Status::Ok();
  }

  Status Escape(std::string* out) {
    ++i_;  // the backslash
    const char c = i_ < s_.size() ? s_[i_++] : '\0';
    static constexpr std::string_view kFrom = "abfnrtv\\\"'";
    static constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\\"'";
    if (const size_t p = kFrom.find(c); p != std::string_view::npos) {
      *out += kTo[p];
      return Status::Ok();
    }
    const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    uint32_t v = 0;
    const char* first = s_.data() + i_;
    if (digits == 0 || i_ + digits > s_.size()) return Fail("invalid syntax in string");
    const auto r = std::from_chars(first, first + digits, v, 16);
    if (r.ptr != first + digits) return Fail("invalid syntax in string");
    i_ += digits;
    if (c == 'x') {
      *out += static_cast<char>(v);
    } else {
      AppendUtf8(out, v);
    }
    return Status::Ok();
  }

  std::string_view s_;
  size_t i_ = 0;
  bool trim_next_ = false;
  bool blank_before_ = false;
  bool in_comment_ = false;
  std::vector<TemplateToken> tokens_;
};

}  // namespace

Result<std::vector<TemplateToken>> LexTemplate(std::string_view text) {
  return Lexer(text).Run();
}

std::string TemplateLine(std::string_view text, int offset) {
  return std::to_string(1 + std::ranges::count(text.substr(0, offset), '\n'));
}

std::string TemplateLineColumn(std::string_view text, int offset) {
  const size_t newline = text.substr(0, offset).rfind('\n');
  const size_t start = newline == std::string_view::npos ? 0 : newline + 1;
  return TemplateLine(text, offset) + ":" + std::to_string(offset - start);
}

}  // namespace deckwatch::alerting
