// info(): joins the labels of info metrics, by default target_info, onto series of the same
// instance and job.
#include <algorithm>
#include <map>
#include <set>

#include "query/eval.h"
#include "query/label_sets.h"
#include "query/selector.h"
#include "query/vector_functions.h"

namespace deckwatch::query {

namespace {

constexpr std::string_view kTargetInfo = "target_info";
const Projection& Identity() {
  static const Projection kIdentity = Projection::Keep({"instance", "job"});
  return kIdentity;
}

std::string QuoteRegex(std::string_view s) {
  std::string out;
  for (char c : s) {
    if (std::string_view("\\.+*?()|[]{}^$").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

class InfoJoin {
 public:
  InfoJoin(QueryContext& ctx, const Expr& call, StepVector base, const StepRange& steps)
      : ctx_(ctx), call_(call), base_(std::move(base)), steps_(steps), out_(steps.size()) {}

  Result<StepVector> Run() {
    TRY(SplitMatchers());
    ignored_.resize(base_.size());
    // Info series are not enriched themselves; only a matcher that asks for names can tell them.
    for (size_t row = 0; row < base_.size(); ++row) {
      ignored_[row] = asks_for_names_ && MatchesAll(name_matchers_, base_.series[row].labels);
    }
    TRY(SelectInfo());
    for (size_t step = 0; step < base_.steps; ++step) {
      TRY(ctx_.budget.Check());
      TRY(IndexStep(step));
      for (size_t row = 0; row < base_.size(); ++row) {
        if (base_.Cells(row)[step] != kAbsent) TRY(Join(row, step));
      }
    }
    return std::move(out_);
  }

 private:
  // The second argument's matchers: those of the name choose info metrics, the others labels.
  Status SplitMatchers() {
    if (call_.args.size() > 1) {
      for (const Matcher& m : Unwrap(*call_.args[1]).matchers) {
        if (m.name() == kMetricName) {
          name_matchers_.push_back(m);
        } else {
          data_matchers_.push_back(m);
        }
      }
    }
    if (name_matchers_.empty()) {
      name_matchers_.push_back(Matcher::Equal(std::string(kMetricName), std::string(kTargetInfo)));
    }
    asks_for_names_ =
        std::any_of(name_matchers_.begin(), name_matchers_.end(), [](const Matcher& m) {
          return m.type() == MatchType::kEqual || m.type() == MatchType::kRegex;
        });
    if (!asks_for_names_) {
      TRY_ASSIGN(Matcher any_info,
                 Matcher::Create(MatchType::kRegex, std::string(kMetricName), ".+_info"));
      name_matchers_.push_back(std::move(any_info));
    }
    return {};
  }

  // The info series that can belong to some base series, with the time of each sample.
  Status SelectInfo() {
    std::map<std::string, std::set<std::string>> wanted;
    for (size_t row = 0; row < base_.size(); ++row) {
      if (ignored_[row]) continue;
      for (const char* name : {"instance", "job"}) {
        const std::string_view value = base_.series[row].labels.Get(name);
        if (!value.empty()) wanted[name].insert(QuoteRegex(value));
      }
    }
    info_ = StepVector(steps_.size());
    if (wanted.empty()) return {};
    Expr selector;
    selector.kind = NodeKind::kVectorSelector;
    selector.pos = call_.pos;
    CopyTimes(*call_.args[0], &selector);
    selector.matchers = name_matchers_;
    selector.matchers.insert(selector.matchers.end(), data_matchers_.begin(), data_matchers_.end());
    for (const auto& [name, values] : wanted) {
      std::string pattern;
      for (const std::string& v : values) pattern += (pattern.empty() ? "" : "|") + v;
      TRY_ASSIGN(Matcher m, Matcher::Create(MatchType::kRegex, name, pattern));
      selector.matchers.push_back(std::move(m));
    }
    TRY(SelectInstant(ctx_, selector, steps_, Pick::kInfoTimestamp, "info",
                      [this](StepVector&& block) {
                        info_.Append(std::move(block));
                        return Status();
                      }));
    for (const SeriesInfo& s : info_.series) {
      info_key_.emplace_back(std::string(s.labels.MetricName()),
                             std::string(Identity().Apply(s.labels).encoded()));
      names_.insert(info_key_.back().first);
    }
    return {};
  }

  // Info metrics are looked up at the times of the first selector in the base expression.
  static bool CopyTimes(const Expr& e, Expr* selector) {
    if (e.kind == NodeKind::kVectorSelector) {
      selector->at = e.at;
      selector->at_ms = e.at_ms;
      selector->offset_ms = e.offset_ms;
      return true;
    }
    if (e.lhs != nullptr && CopyTimes(*e.lhs, selector)) return true;
    if (e.rhs != nullptr && CopyTimes(*e.rhs, selector)) return true;
    return std::any_of(e.args.begin(), e.args.end(),
                       [&](const auto& arg) { return CopyTimes(*arg, selector); });
  }

  // For each info metric and target, the newest info series at `step`.
  Status IndexStep(size_t step) {
    current_.clear();
    for (size_t row = 0; row < info_.size(); ++row) {
      if (info_.Cells(row)[step] == kAbsent) continue;
      const auto [it, added] = current_.try_emplace(info_key_[row], row);
      if (added) continue;
      const double known = info_.Values(it->second)[step], t = info_.Values(row)[step];
      if (known == t) {
        const auto ms = [](double s) { return std::to_string(static_cast<int64_t>(s * 1000)); };
        return ExecutionError("found duplicate series for info metric: existing " +
                              BracedString(info_.series[it->second].labels) + " @ " + ms(known) +
                              ", new " + BracedString(info_.series[row].labels) + " @ " + ms(t));
      }
      if (t > known) it->second = row;
    }
    return {};
  }

  bool Wanted(std::string_view name) const {
    return data_matchers_.empty() ||
           std::any_of(data_matchers_.begin(), data_matchers_.end(),
                       [name](const Matcher& m) { return m.name() == name; });
  }

  Status Join(size_t row, size_t step) {
    const LabelsView labels = base_.series[row].labels;
    if (ignored_[row]) return Emit(labels, row, step);
    const std::string identity(Identity().Apply(labels).encoded());
    LabelsBuilder added;
    bool any = false;
    for (const std::string& name : names_) {
      const auto it = current_.find({name, identity});
      if (it == current_.end()) continue;
      any = true;
      for (LabelRef l : info_.series[it->second].labels.view()) {
        if (l.name == kMetricName || !Wanted(l.name)) continue;
        const std::string_view other = added.Get(l.name);
        if (!other.empty() && other != l.value) {
          return ExecutionError("conflicting label: " + std::string(l.name));
        }
        if (!labels.Has(l.name)) added.Set(l.name, l.value);
      }
    }
    if (!any && !std::all_of(data_matchers_.begin(), data_matchers_.end(),
                             [](const Matcher& m) { return m.MatchesEmpty(); })) {
      return {};
    }
    LabelsBuilder result(labels);
    for (const auto& [name, value] : added.pairs()) result.Set(name, value);
    return Emit(result.Build(), row, step);
  }

  Status Emit(LabelsView labels, size_t row, size_t step) {
    bool added = false;
    const size_t to = index_.Insert(labels.encoded(), &added);
    if (added) out_.AddRow({Labels(labels), base_.series[row].drop_name});
    if (out_.Cells(to)[step] != kAbsent) {
      return ExecutionError("vector cannot contain metrics with the same labelset");
    }
    out_.CopyCell(to, step, base_, row, step);
    return {};
  }

  QueryContext& ctx_;
  const Expr& call_;
  const StepVector base_;
  const StepRange& steps_;
  std::vector<Matcher> name_matchers_, data_matchers_;
  bool asks_for_names_ = false;  // some name matcher is positive
  std::vector<bool> ignored_;    // base series that are info metrics themselves
  StepVector info_;
  using Key = std::pair<std::string, std::string>;  // info metric, identity
  std::vector<Key> info_key_;
  std::set<std::string> names_;
  std::map<Key, size_t> current_;
  StepVector out_;
  LabelIndex index_;
};

}  // namespace

Result<StepVector> Info(QueryContext& ctx, const Expr& call, StepVector v, const StepRange& steps) {
  return InfoJoin(ctx, call, std::move(v), steps).Run();
}

}  // namespace deckwatch::query
