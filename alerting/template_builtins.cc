#include "alerting/template_builtins.h"

#include <cmath>
#include <optional>

namespace deckwatch::alerting {
namespace {

using Args = std::span<const Value>;
using Context = TemplateContext;

Status Bad(std::string reason) {
  return Status::InvalidArgument(std::move(reason));
}

Result<Value> Not(const Context&, Args a) {
  return Value(!a[0].Truth());
}

Result<Value> Len(const Context&, Args a) {
  if (const auto* s = a[0].AsString()) return Value(static_cast<int64_t>(s->size()));
  if (const auto* l = a[0].AsList()) return Value(static_cast<int64_t>(l->items.size()));
  if (const auto* m = a[0].AsMap()) return Value(static_cast<int64_t>(m->entries.size()));
  return Bad("len of type " + std::string(a[0].TypeName()));
}

Result<Value> Index(const Context&, Args a) {
  Value v = a[0];
  for (const Value& key : a.subspan(1)) {
    if (const ValueMap* m = v.AsMap()) {
      const std::string* name = key.AsString();
      if (name == nullptr)
        return Bad("value has type " + std::string(key.TypeName()) + "; should be string");
      const auto it = m->entries.find(*name);
      if (it != m->entries.end()) {
        v = Value(it->second);
      } else {
        v = m->kind == ValueMap::Kind::kStrings ? Value("") : Value();
      }
      continue;
    }
    const int64_t* i = key.AsInt();
    const ValueList* l = v.AsList();
    const std::string* s = v.AsString();
    if (l == nullptr && s == nullptr) {
      return Bad(v.IsNil() ? "index of untyped nil"
                           : "can't index item of type " + std::string(v.TypeName()));
    }
    const auto size = static_cast<int64_t>(l != nullptr ? l->items.size() : s->size());
    if (i == nullptr)
      return Bad("cannot index slice/array with type " + std::string(key.TypeName()));
    if (*i < 0 || *i >= size) return Bad("index out of range: " + std::to_string(*i));
    v = l != nullptr ? Value(l->items[*i])
                     : Value(static_cast<int64_t>(static_cast<unsigned char>((*s)[*i])));
  }
  return v;
}

Result<Value> Slice(const Context&, Args a) {
  const ValueList* l = a[0].AsList();
  const std::string* s = a[0].AsString();
  if (l == nullptr && s == nullptr) {
    return Bad("can't slice item of type " + std::string(a[0].TypeName()));
  }
  int64_t bounds[] = {0, static_cast<int64_t>(l != nullptr ? l->items.size() : s->size())};
  const int64_t size = bounds[1];
  for (size_t i = 1; i < a.size(); ++i) {
    const int64_t* n = a[i].AsInt();
    if (n == nullptr || *n < 0 || *n > size) return Bad("index out of range: " + a[i].ToString());
    bounds[i - 1] = *n;
  }
  if (bounds[0] > bounds[1]) return Bad("invalid slice index");
  if (s != nullptr) return Value(s->substr(bounds[0], bounds[1] - bounds[0]));
  ValueList part;
  part.items.assign(l->items.begin() + bounds[0], l->items.begin() + bounds[1]);
  return Value(std::move(part));
}

// Go's fmt.Sprint: a space between two operands neither of which is a string.
std::string Sprint(Args a) {
  std::string out;
  for (size_t i = 0; i < a.size(); ++i) {
    if (i > 0 && a[i].AsString() == nullptr && a[i - 1].AsString() == nullptr) out += ' ';
    out += a[i].ToString();
  }
  return out;
}

Result<Value> Print(const Context&, Args a) {
  return Value(Sprint(a));
}

Result<Value> Println(const Context&, Args a) {
  std::string out;
  for (size_t i = 0; i < a.size(); ++i) out += (i > 0 ? " " : "") + a[i].ToString();
  return Value(out + "\n");
}

Result<Value> Printf(const Context&, Args a) {
  const std::string* format = a[0].AsString();
  if (format == nullptr) {
    return Bad("wrong type for value; expected string; got " + std::string(a[0].TypeName()));
  }
  return Value(FormatGo(*format, a.subspan(1)));
}

Result<Value> Html(const Context&, Args a) {
  std::string out;
  for (char c : Sprint(a)) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&#34;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return Value(out);
}

Result<Value> Js(const Context&, Args a) {
  std::string out;
  for (char c : Sprint(a)) {
    switch (c) {
      case '\\': out += "\\\\"; break;
      case '\'': out += "\\'"; break;
      case '"': out += "\\\""; break;
      case '<': out += "\\u003C"; break;
      case '>': out += "\\u003E"; break;
      case '&': out += "\\u0026"; break;
      case '=': out += "\\u003D"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          const Value code(static_cast<int64_t>(c));
          out += FormatGo("\\u%04X", {&code, 1});
        } else {
          out += c;
        }
    }
  }
  return Value(out);
}

Result<Value> UrlQuery(const Context&, Args a) {
  return Value(QueryEscape(Sprint(a)));
}

// -1, 0, 1; nothing when NaN is in it. Go compares only values of one kind.
Result<std::optional<int>> Compare(const Value& a, const Value& b) {
  const auto order = [](auto x, auto y) -> std::optional<int> {
    if (x < y) return -1;
    if (x > y) return 1;
    return x == y ? std::optional<int>(0) : std::nullopt;
  };
  if (a.AsInt() && b.AsInt()) return order(*a.AsInt(), *b.AsInt());
  if (a.AsDouble() && b.AsDouble()) return order(*a.AsDouble(), *b.AsDouble());
  if (a.AsString() && b.AsString()) return order(a.AsString()->compare(*b.AsString()), 0);
  if (a.AsDuration() && b.AsDuration()) return order(a.AsDuration()->ns, b.AsDuration()->ns);
  if (a.AsTime() && b.AsTime()) return order(a.AsTime()->ns, b.AsTime()->ns);
  if (a.IsNil() || b.IsNil() || a.AsList() || a.AsMap() || b.AsList() || b.AsMap()) {
    return Bad("invalid type for comparison");
  }
  return Bad(a.AsBool() && b.AsBool() ? "invalid type for comparison"
                                      : "incompatible types for comparison");
}

Result<bool> Equal(const Value& a, const Value& b) {
  if (a.AsBool() && b.AsBool()) return *a.AsBool() == *b.AsBool();
  if (a.IsNil() || b.IsNil()) return a.IsNil() && b.IsNil();
  TRY_ASSIGN(const std::optional<int> order, Compare(a, b));
  return order == 0;
}

// True when the first argument equals any of the others.
Result<Value> Eq(const Context&, Args a) {
  for (const Value& other : a.subspan(1)) {
    TRY_ASSIGN(const bool equal, Equal(a[0], other));
    if (equal) return Value(true);
  }
  return Value(false);
}

Result<Value> Ne(const Context&, Args a) {
  TRY_ASSIGN(const bool equal, Equal(a[0], a[1]));
  return Value(!equal);
}

Result<Value> Lt(const Context&, Args a) {
  TRY_ASSIGN(const std::optional<int> order, Compare(a[0], a[1]));
  return Value(order && *order < 0);
}

Result<Value> Le(const Context&, Args a) {
  TRY_ASSIGN(const std::optional<int> order, Compare(a[0], a[1]));
  return Value(order && *order <= 0);
}

Result<Value> Gt(const Context& c, Args a) {
  const Value swapped[] = {a[1], a[0]};
  return Lt(c, swapped);
}

Result<Value> Ge(const Context& c, Args a) {
  const Value swapped[] = {a[1], a[0]};
  return Le(c, swapped);
}

constexpr TemplateFunctionEntry kFunctions[] = {
    {"eq", 2, -1, Eq},         {"ge", 2, 2, Ge},
    {"gt", 2, 2, Gt},          {"html", 1, -1, Html},
    {"index", 1, -1, Index},   {"js", 1, -1, Js},
    {"le", 2, 2, Le},          {"len", 1, 1, Len},
    {"lt", 2, 2, Lt},          {"ne", 2, 2, Ne},
    {"not", 1, 1, Not},        {"print", 0, -1, Print},
    {"printf", 1, -1, Printf}, {"println", 0, -1, Println},
    {"slice", 1, 3, Slice},    {"urlquery", 1, -1, UrlQuery},
};

}  // namespace

std::span<const TemplateFunctionEntry> GoTemplateFunctions() {
  return kFunctions;
}

std::string QueryEscape(std::string_view s) {
  std::string out;
  for (unsigned char c : s) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
        c == '_' || c == '.' || c == '~') {
      out += static_cast<char>(c);
    } else if (c == ' ') {
      out += '+';
    } else {
      out += '%';
      out += "0123456789ABCDEF"[c >> 4];
      out += "0123456789ABCDEF"[c & 15];
    }
  }
  return out;
}

std::string TableLink(std::string_view expr) {
  return "/graph?g0.expr=" + QueryEscape(expr) + "&g0.tab=1";
}

std::string GraphLink(std::string_view expr) {
  return "/graph?g0.expr=" + QueryEscape(expr) + "&g0.tab=0";
}

}  // namespace deckwatch::alerting
