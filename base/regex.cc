#include "base/regex.h"

#include <algorithm>
#include <array>

#include <re2/re2.h>

#include "base/labels.h"

namespace deckwatch {

struct Regex::Program {
  std::string pattern;
  std::unique_ptr<re2::RE2> anchored;
  std::vector<std::string> literals;  // sorted
  std::string prefix;
  bool all = false;
  bool nonempty = false;
};

namespace {

constexpr size_t kMaxLiterals = 256;
constexpr int64_t kMaxProgramBytes = 8 << 20;
constexpr int kMaxGroups = 32;

bool IsMeta(char c) {
  return std::string_view("\\.+*?()|[]{}^$").find(c) != std::string_view::npos;
}

// Parses `p` as an alternation of literals, with groups of literals inside: at most one product of
// small sets. Returns false when anything else is met.
class LiteralSet {
 public:
  static bool Of(std::string_view p, std::vector<std::string>* out) {
    LiteralSet s{p};
    return s.Alternation(out, 0) && s.i_ == p.size();
  }

 private:
  explicit LiteralSet(std::string_view p) : p_(p) {}
  bool Alternation(std::vector<std::string>* out, int depth) {
    if (depth > 3) return false;
    for (;;) {
      std::vector<std::string> branch{""};
      while (i_ < p_.size() && p_[i_] != '|' && p_[i_] != ')') {
        std::vector<std::string> part;
        if (p_[i_] == '(') {
          ++i_;
          if (p_.substr(i_, 2) == "?:") i_ += 2;
          if (!Alternation(&part, depth + 1) || i_ >= p_.size() || p_[i_] != ')') return false;
          ++i_;
        } else if (p_[i_] == '\\') {
          if (i_ + 1 >= p_.size() ||
              !(IsMeta(p_[i_ + 1]) || p_[i_ + 1] == '-' || p_[i_ + 1] == '/'))
            return false;
          part.emplace_back(1, p_[i_ + 1]);
          i_ += 2;
        } else if (IsMeta(p_[i_])) {
          return false;
        } else {
          part.emplace_back(1, p_[i_++]);
        }
        if (i_ < p_.size() && std::string_view("*+?{").find(p_[i_]) != std::string_view::npos)
          return false;
        if (branch.size() * part.size() > kMaxLiterals) return false;
        std::vector<std::string> product;
        for (const auto& a : branch) {
          for (const auto& b : part) product.push_back(a + b);
        }
        branch = std::move(product);
      }
      out->insert(out->end(), branch.begin(), branch.end());
      if (out->size() > kMaxLiterals) return false;
      if (i_ >= p_.size() || p_[i_] == ')') return true;
      ++i_;  // '|'
    }
  }
  std::string_view p_;
  size_t i_ = 0;
};

std::string LiteralPrefix(std::string_view p) {
  std::string out;
  size_t last = 0;  // where the last code unit taken began, to be undone by a quantifier
  for (size_t i = 0; i < p.size();) {
    const size_t before = out.size();
    if (p[i] == '\\') {
      if (i + 1 >= p.size() || !IsMeta(p[i + 1])) break;
      out += p[i + 1];
      i += 2;
    } else if (IsMeta(p[i])) {
      if (p[i] == '?' || p[i] == '*' || p[i] == '{') out.resize(last);
      break;
    } else {
      // Whole UTF-8 sequences, so that a quantifier undoes a whole character.
      do {
        out += p[i++];
      } while (i < p.size() && (static_cast<unsigned char>(p[i]) & 0xc0) == 0x80);
    }
    last = before;
  }
  // An alternation anywhere at top level voids the prefix; being inside a group is harmless but not
  // worth a parse.
  return p.find('|') == std::string_view::npos ? out : std::string();
}

std::string FromInvalidByte(const std::string& text) {
  size_t valid = 0;
  for (size_t n = 1; n <= text.size(); ++n) {
    if (IsValidUtf8(std::string_view(text).substr(valid, n - valid))) valid = n;
    if (n - valid >= 4) break;  // no character is longer
  }
  return text.substr(valid);
}

// The reason in the words of Go's regexp/syntax, which Prometheus's users know.
std::string Reason(const re2::RE2& re) {
  std::string argument = re.error_arg();
  const char* what = "internal error";
  switch (re.error_code()) {
    case re2::RE2::ErrorBadEscape: what = "invalid escape sequence"; break;
    case re2::RE2::ErrorBadCharClass: what = "invalid character class"; break;
    case re2::RE2::ErrorBadCharRange: what = "invalid character class range"; break;
    case re2::RE2::ErrorMissingBracket: what = "missing closing ]"; break;
    case re2::RE2::ErrorMissingParen: what = "missing closing )"; break;
    case re2::RE2::ErrorUnexpectedParen: what = "unexpected )"; break;
    case re2::RE2::ErrorTrailingBackslash: what = "trailing backslash at end of expression"; break;
    case re2::RE2::ErrorRepeatArgument: what = "missing argument to repetition operator"; break;
    case re2::RE2::ErrorRepeatSize: what = "invalid repeat count"; break;
    case re2::RE2::ErrorRepeatOp: what = "invalid nested repetition operator"; break;
    case re2::RE2::ErrorBadPerlOp: what = "invalid or unsupported Perl syntax"; break;
    case re2::RE2::ErrorBadUTF8:
      what = "invalid UTF-8";
      argument = FromInvalidByte(re.pattern());
      break;
    case re2::RE2::ErrorBadNamedCapture: what = "invalid named capture"; break;
    case re2::RE2::ErrorPatternTooLarge: what = "expression too large"; break;
    default: break;
  }
  return std::string("error parsing regexp: ") + what + ": `" + argument + "`";
}

}  // namespace

Result<Regex> Regex::Compile(std::string_view pattern) {
  return Compile(pattern, false);
}

Result<Regex> Regex::CompileMatcher(std::string_view pattern) {
  const bool plain =
      std::all_of(pattern.begin(), pattern.end(), [](char c) { return c == '|' || !IsMeta(c); });
  return Compile(pattern, plain && !IsValidUtf8(pattern));
}

Result<Regex> Regex::Compile(std::string_view pattern, bool as_bytes) {
  auto program = std::make_shared<Program>();
  program->pattern = pattern;
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMaxProgramBytes);
  options.set_dot_nl(true);
  if (as_bytes) options.set_encoding(re2::RE2::Options::EncodingLatin1);
  program->anchored =
      std::make_unique<re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!program->anchored->ok()) {
    return Status::InvalidArgument(Reason(*program->anchored));
  }
  if (program->anchored->NumberOfCapturingGroups() >= kMaxGroups) {
    return Status::InvalidArgument("error parsing regexp: more than 31 groups");
  }
  program->all = pattern == ".*";
  program->nonempty = pattern == ".+";
  if (!LiteralSet::Of(pattern, &program->literals)) program->literals.clear();
  std::sort(program->literals.begin(), program->literals.end());
  program->prefix = LiteralPrefix(pattern);
  Regex r;
  r.program_ = std::move(program);
  return r;
}

bool Regex::FullMatch(std::string_view text) const {
  const Program& p = *program_;
  if (p.all) return true;
  if (p.nonempty) return !text.empty();
  if (!p.literals.empty()) return std::binary_search(p.literals.begin(), p.literals.end(), text);
  if (!text.starts_with(p.prefix)) return false;
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *p.anchored);
}

namespace {
// Appends `replacement` with $-references resolved against `groups`, as Go's Regexp.Expand does.
void AppendExpanded(std::string_view replacement, const re2::RE2& re,
                    const re2::StringPiece* groups, int n_groups, std::string* out) {
  for (size_t i = 0; i < replacement.size();) {
    if (replacement[i] != '$') {
      *out += replacement[i++];
      continue;
    }
    if (i + 1 < replacement.size() && replacement[i + 1] == '$') {
      *out += '$';
      i += 2;
      continue;
    }
    const bool braced = i + 1 < replacement.size() && replacement[i + 1] == '{';
    size_t begin = i + 1 + braced;
    size_t end = begin;
    while (end < replacement.size() &&
           (std::isalnum(static_cast<unsigned char>(replacement[end])) || replacement[end] == '_'))
      ++end;
    if (end == begin || (braced && (end >= replacement.size() || replacement[end] != '}'))) {
      *out += replacement[i++];
      continue;
    }
    const std::string name(replacement.substr(begin, end - begin));
    int index = -1;
    if (std::all_of(name.begin(), name.end(),
                    [](unsigned char c) { return std::isdigit(c) != 0; })) {
      index = name.size() <= 4 ? std::stoi(name) : n_groups;
    } else if (auto it = re.NamedCapturingGroups().find(name);
               it != re.NamedCapturingGroups().end()) {
      index = it->second;
    }
    if (index >= 0 && index < n_groups && groups[index].data() != nullptr) {
      out->append(groups[index].data(), groups[index].size());
    }
    i = end + braced;
  }
}
}  // namespace

bool Regex::Expand(std::string_view text, std::string_view replacement, std::string* out) const {
  const re2::RE2& re = *program_->anchored;
  std::array<re2::StringPiece, kMaxGroups> groups;
  const int n = re.NumberOfCapturingGroups() + 1;
  if (!re.Match(re2::StringPiece(text.data(), text.size()), 0, text.size(), re2::RE2::ANCHOR_BOTH,
                groups.data(), n)) {
    return false;
  }
  out->clear();
  AppendExpanded(replacement, re, groups.data(), n, out);
  return true;
}

std::string Regex::ReplaceAll(std::string_view text, std::string_view replacement) const {
  const re2::RE2& re = *program_->anchored;
  std::array<re2::StringPiece, kMaxGroups> groups;
  const int n = re.NumberOfCapturingGroups() + 1;
  const re2::StringPiece input(text.data(), text.size());
  std::string out;
  size_t at = 0;
  while (at <= text.size() &&
         re.Match(input, at, text.size(), re2::RE2::UNANCHORED, groups.data(), n)) {
    const auto begin = static_cast<size_t>(groups[0].data() - text.data());
    out.append(text, at, begin - at);
    AppendExpanded(replacement, re, groups.data(), n, &out);
    at = begin + groups[0].size();
    if (groups[0].empty()) {
      if (at < text.size()) out += text[at];
      ++at;
    }
  }
  if (at < text.size()) out.append(text.substr(at));
  return out;
}

const std::string& Regex::pattern() const {
  return program_->pattern;
}
const std::vector<std::string>& Regex::literals() const {
  return program_->literals;
}
const std::string& Regex::prefix() const {
  return program_->prefix;
}
bool Regex::matches_all() const {
  return program_->all;
}
bool Regex::matches_nonempty() const {
  return program_->nonempty;
}

}  // namespace deckwatch
