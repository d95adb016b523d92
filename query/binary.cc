// Binary operators between vectors. Which series meet is found out once per query: every series
// has a signature (the labels that matching looks at), and only series of one signature can meet.
// Whether they do depends on the step, and so do the errors of ambiguous matches.
#include "query/binary.h"

#include <algorithm>
#include <map>

#include "query/binary_cell.h"
#include "query/label_sets.h"

namespace deckwatch::query {

namespace {

Projection SignatureOf(const VectorMatching& m) {
  return m.on ? Projection::Keep(m.labels) : Projection::Drop(m.labels);
}

// The labels of the many side that a result keeps.
Projection ResultLabels(const VectorMatching& m, BinaryOp op) {
  const auto metadata = [](const std::string& name) {
    return name == kMetricName || name == "__type__" || name == "__unit__";
  };
  std::vector<std::string> names;
  if (m.card == Cardinality::kOneToOne) names = m.labels;
  if (m.card == Cardinality::kOneToOne && m.on) {
    if (ChangesMetric(op)) std::erase_if(names, metadata);
    return Projection::Keep(std::move(names));
  }
  if (ChangesMetric(op)) names.insert(names.end(), {"__name__", "__type__", "__unit__"});
  return Projection::DropOnly(std::move(names));
}

// Rows of both operands by signature.
struct Signatures {
  Signatures(const VectorMatching& m, const StepVector& lhs, const StepVector& rhs) {
    const Projection projection = SignatureOf(m);
    LabelIndex index;
    std::string key;
    const auto number = [&](const StepVector& v, std::vector<size_t>* of) {
      for (const SeriesInfo& s : v.series) {
        projection.Encode(s.labels, &key);
        of->push_back(index.Insert(key));
      }
    };
    number(lhs, &lhs_of);
    number(rhs, &rhs_of);
    count = index.size();
  }
  std::vector<size_t> lhs_of, rhs_of;
  size_t count = 0;
};

std::vector<std::vector<size_t>> RowsBySignature(const std::vector<size_t>& of, size_t count) {
  std::vector<std::vector<size_t>> rows(count);
  for (size_t row = 0; row < of.size(); ++row) rows[of[row]].push_back(row);
  return rows;
}

// Result rows by label set: a second row of the same labels fills the gaps of the first.
class Output {
 public:
  explicit Output(size_t steps) : v_(steps) {}
  size_t Row(SeriesInfo info) {
    bool added = false;
    const size_t row = index_.Insert(info.labels.encoded(), &added);
    if (added) v_.AddRow(std::move(info));
    return row;
  }
  // False when there is such a row already.
  bool NewRow(SeriesInfo info, size_t* row) {
    bool added = false;
    *row = index_.Insert(info.labels.encoded(), &added);
    if (added) v_.AddRow(std::move(info));
    return added;
  }
  // False when the place is taken.
  bool Free(size_t row, size_t step) const { return v_.Cells(row)[step] == kAbsent; }
  StepVector& vector() { return v_; }

 private:
  StepVector v_;
  LabelIndex index_;
};

const char kSameLabelset[] = "vector cannot contain metrics with the same labelset";

// Arithmetic and comparison between vectors. The sides are called many and one: the right operand
// is the one side, unless the matching is one-to-many.
class PairMatcher {
 public:
  PairMatcher(QueryContext& ctx, const Expr& e, StepVector lhs, StepVector rhs)
      : ctx_(ctx),
        e_(e),
        m_(*e.matching),
        swapped_(m_.card == Cardinality::kOneToMany),
        many_(swapped_ ? std::move(rhs) : std::move(lhs)),
        one_(swapped_ ? std::move(lhs) : std::move(rhs)),
        fill_one_(m_.fill_right),
        fill_many_(m_.fill_left),
        signatures_(m_, many_, one_),
        result_labels_(ResultLabels(m_, e.op)),
        floats_only_(!fill_one_ && !fill_many_ && many_.histogram.empty() &&
                     one_.histogram.empty() && e.op != BinaryOp::kTrimUpper &&
                     e.op != BinaryOp::kTrimLower),
        output_(many_.steps) {}

  Result<StepVector> Run() {
    TRY(CheckOneSide());
    const auto many_rows = RowsBySignature(signatures_.lhs_of, signatures_.count);
    const auto one_rows = RowsBySignature(signatures_.rhs_of, signatures_.count);
    for (size_t sig = 0; sig < signatures_.count; ++sig) {
      if (sig % 256 == 0) TRY(ctx_.budget.Check());
      TRY(Group(many_rows[sig], one_rows[sig]));
    }
    StepVector out = std::move(output_.vector());
    out.RemoveEmptyRows();
    return out;
  }

 private:
  static constexpr size_t kFill = SIZE_MAX;  // in place of a row: the fill value

  bool AnyPresent(const StepVector& v, size_t step) const {
    for (size_t row = 0; row < v.size(); ++row) {
      if (v.Cells(row)[step] != kAbsent) return true;
    }
    return false;
  }

  // No two series of the one side with the same signature at one step.
  Status CheckOneSide() {
    std::vector<size_t> rows_of(signatures_.count);
    for (size_t sig : signatures_.rhs_of) ++rows_of[sig];
    if (std::all_of(rows_of.begin(), rows_of.end(), [](size_t n) { return n < 2; })) return {};
    std::vector<size_t> seen(signatures_.count);
    for (size_t step = 0; step < one_.steps; ++step) {
      if (!fill_one_ && !fill_many_ && !AnyPresent(many_, step)) continue;
      std::fill(seen.begin(), seen.end(), kFill);
      for (size_t row = 0; row < one_.size(); ++row) {
        if (one_.Cells(row)[step] == kAbsent) continue;
        size_t& first = seen[signatures_.rhs_of[row]];
        if (first != kFill) return DuplicateError(first, row);
        first = row;
      }
    }
    return {};
  }

  Status DuplicateError(size_t first, size_t second) const {
    const Labels group = SignatureOf(m_).Apply(one_.series[second].labels);
    return ExecutionError(
        "found duplicate series for the match group " + BracedString(group) + " on the " +
        (swapped_ ? "left" : "right") + " hand-side of the operation: [" +
        BracedString(one_.series[second].labels) + ", " + BracedString(one_.series[first].labels) +
        "];many-to-many matching not allowed: matching labels must be unique on "
        "one side");
  }

  // One series meets one other, floats both, and nothing is filled in: no match can be ambiguous,
  // and whole rows are computed at once. False when the result row exists already.
  bool WholeRow(size_t l, size_t r) {
    size_t row = 0;
    if (!output_.NewRow(ResultSeries(l, r), &row)) return false;
    const size_t n = many_.steps;
    const double* lhs = many_.Values(l);
    const double* rhs = one_.Values(r);
    if (swapped_) std::swap(lhs, rhs);
    double* out = output_.vector().Values(row);
    uint8_t* cells = output_.vector().Cells(row);
    keep_.resize(n);
    ApplyToRows(e_.op, lhs, rhs, n, out, keep_.data());
    const uint8_t* a = many_.Cells(l);
    const uint8_t* b = one_.Cells(r);
    for (size_t i = 0; i < n; ++i) {
      // Cells are absent (0) or floats (1).
      if (e_.return_bool) {
        out[i] = keep_[i];
        cells[i] = a[i] & b[i];
      } else {
        cells[i] = a[i] & b[i] & keep_[i];
      }
    }
    return true;
  }

  // All series of one signature.
  Status Group(const std::vector<size_t>& many, const std::vector<size_t>& one) {
    if (many.empty() && !(fill_many_ && !one.empty())) return {};
    if (one.empty() && !(fill_one_ && !many.empty())) return {};
    if (many.size() == 1 && one.size() == 1 && floats_only_ && WholeRow(many[0], one[0])) return {};
    matched_.assign(many_.steps, 0);
    row_steps_.clear();
    for (const size_t l : many) {
      for (const size_t r : one) {
        TRY(Pair(l, r, [&](size_t step) {
          return many_.Cells(l)[step] != kAbsent && one_.Cells(r)[step] != kAbsent;
        }));
      }
      if (fill_one_) {
        TRY(Pair(l, kFill, [&](size_t step) {
          return many_.Cells(l)[step] != kAbsent &&
                 std::all_of(one.begin(), one.end(),
                             [&](size_t r) { return one_.Cells(r)[step] == kAbsent; });
        }));
      }
    }
    if (!fill_many_) return {};
    const std::vector<uint8_t> matched = matched_;
    for (const size_t r : one) {
      TRY(Pair(kFill, r,
               [&](size_t step) { return one_.Cells(r)[step] != kAbsent && matched[step] == 0; }));
    }
    return {};
  }

  LabelsView LabelsOfRow(const StepVector& v, size_t row, const StepVector& other, size_t other_row,
                         Labels* buffer) const {
    if (row != kFill) return v.series[row].labels;
    *buffer = SignatureOf(m_).Apply(other.series[other_row].labels);
    return *buffer;
  }

  Operand At(const StepVector& v, size_t row, size_t step,
             const std::optional<double>& fill) const {
    if (row == kFill) return {*fill, nullptr};
    return {v.Values(row)[step], v.HistogramAt(row, step)};
  }

  SeriesInfo ResultSeries(size_t l, size_t r) const {
    Labels many_buffer, one_buffer;
    const LabelsView many = LabelsOfRow(many_, l, one_, r, &many_buffer);
    const LabelsView one = LabelsOfRow(one_, r, many_, l, &one_buffer);
    SeriesInfo info{result_labels_.Apply(many), false};
    if (!m_.include.empty()) {
      LabelsBuilder b(info.labels);
      for (const std::string& name : m_.include) b.Set(name, one.Get(name));
      info.labels = b.Build();
    }
    if (e_.return_bool) DropName(ctx_, &info);
    return info;
  }

  // The results of series `l` of the many side with series `r` of the one side, at the steps where
  // `meet` holds.
  template <typename Meet>
  Status Pair(size_t l, size_t r, Meet meet) {
    size_t row = kFill;
    std::vector<uint8_t>* row_steps = nullptr;
    for (size_t step = 0; step < many_.steps; ++step) {
      if (!meet(step)) continue;
      if (row == kFill) {
        row = output_.Row(ResultSeries(l, r));
        row_steps = &row_steps_.try_emplace(row, many_.steps, 0).first->second;
      }
      Operand lhs = At(many_, l, step, fill_many_);
      Operand rhs = At(one_, r, step, fill_one_);
      if (swapped_) std::swap(lhs, rhs);
      CellResult cell;
      const Outcome outcome = ApplyOperator(e_.op, lhs, rhs, e_.pos, &ctx_.annotations, &cell);
      if (outcome == Outcome::kFailed) continue;
      TRY(NoteMatch(step, row_steps));
      TRY(Store(row, step, outcome, std::move(cell)));
    }
    return {};
  }

  // A match at `step` for a result row, unless it is one too many.
  Status NoteMatch(size_t step, std::vector<uint8_t>* row_steps) {
    if (m_.card == Cardinality::kOneToOne) {
      if (matched_[step] != 0) {
        return ExecutionError(
            "multiple matches for labels: many-to-one matching must be explicit "
            "(group_left/group_right)");
      }
    } else if ((*row_steps)[step] != 0) {
      return ExecutionError(
          "multiple matches for labels: grouping labels must ensure unique matches");
    }
    matched_[step] = 1;
    (*row_steps)[step] = 1;
    return {};
  }

  Status Store(size_t row, size_t step, Outcome outcome, CellResult cell) {
    if (e_.return_bool) {
      cell = {outcome == Outcome::kKept ? 1.0 : 0.0, nullptr};
    } else if (outcome == Outcome::kFiltered) {
      return {};
    }
    if (!output_.Free(row, step)) return ExecutionError(kSameLabelset);
    if (cell.histogram != nullptr) {
      output_.vector().SetHistogram(row, step, std::move(cell.histogram));
    } else {
      output_.vector().SetFloat(row, step, cell.value);
    }
    return {};
  }

  QueryContext& ctx_;
  const Expr& e_;
  const VectorMatching& m_;
  const bool swapped_;
  const StepVector many_, one_;
  const std::optional<double> fill_one_, fill_many_;
  const Signatures signatures_;
  const Projection result_labels_;
  const bool floats_only_;  // and no fill values
  Output output_;
  std::vector<uint8_t> keep_;
  // Of the current signature: steps that had a match, in all and per result row.
  std::vector<uint8_t> matched_;
  std::map<size_t, std::vector<uint8_t>> row_steps_;
};

// Which signatures the rows of `v` cover, step by step.
std::vector<uint8_t> Coverage(const StepVector& v, const std::vector<size_t>& signature_of,
                              size_t signatures) {
  std::vector<uint8_t> covered(signatures * v.steps);
  for (size_t row = 0; row < v.size(); ++row) {
    uint8_t* to = covered.data() + signature_of[row] * v.steps;
    for (size_t i = 0; i < v.steps; ++i) to[i] |= v.Cells(row)[i];
  }
  return covered;
}

// Keeps the cells of `v` whose signature is covered, or those whose is not.
void Filter(StepVector* v, const std::vector<size_t>& signature_of,
            const std::vector<uint8_t>& covered, bool keep_covered) {
  for (size_t row = 0; row < v->size(); ++row) {
    const uint8_t* c = covered.data() + signature_of[row] * v->steps;
    uint8_t* cells = v->Cells(row);
    for (size_t i = 0; i < v->steps; ++i) {
      if ((c[i] != kAbsent) != keep_covered) cells[i] = kAbsent;
    }
  }
  v->RemoveEmptyRows();
}

}  // namespace

double ScalarBinary(BinaryOp op, double lhs, double rhs) {
  bool keep = false;
  const double v = ApplyToFloats(op, lhs, rhs, &keep);
  return IsComparison(op) ? (keep ? 1.0 : 0.0) : v;
}

Result<StepVector> VectorBinary(QueryContext& ctx, const Expr& e, StepVector lhs, StepVector rhs) {
  return PairMatcher(ctx, e, std::move(lhs), std::move(rhs)).Run();
}

Result<StepVector> VectorSet(QueryContext&, const Expr& e, StepVector lhs, StepVector rhs) {
  const Signatures signatures(*e.matching, lhs, rhs);
  if (e.op == BinaryOp::kOr) {
    Filter(&rhs, signatures.rhs_of, Coverage(lhs, signatures.lhs_of, signatures.count), false);
    lhs.Append(std::move(rhs));
    // One series may come from the left at some steps and from the right at others.
    if (lhs.steps > 1) TRY(MergeEqualSeries(&lhs));
    return lhs;
  }
  Filter(&lhs, signatures.lhs_of, Coverage(rhs, signatures.rhs_of, signatures.count),
         e.op == BinaryOp::kAnd);
  return lhs;
}

namespace {

void ScalarWithFloatRow(const Expr& e, StepVector* v, size_t row, const std::vector<double>& scalar,
                        bool scalar_left, std::vector<double>* result, std::vector<uint8_t>* keep) {
  double* values = v->Values(row);
  uint8_t* cells = v->Cells(row);
  const double* lhs = scalar_left ? scalar.data() : values;
  const double* rhs = scalar_left ? values : scalar.data();
  result->resize(v->steps);
  keep->resize(v->steps);
  ApplyToRows(e.op, lhs, rhs, v->steps, result->data(), keep->data());
  for (size_t i = 0; i < v->steps; ++i) {
    if (e.return_bool) {
      values[i] = (*keep)[i];
    } else if (IsComparison(e.op)) {
      cells[i] &= (*keep)[i];  // the vector's value stays, whichever side it is on
    } else {
      values[i] = (*result)[i];
    }
  }
}

// With histograms about, cell by cell.
void ScalarWithRow(QueryContext& ctx, const Expr& e, StepVector* v, size_t row,
                   const std::vector<double>& scalar, bool scalar_left) {
  for (size_t i = 0; i < v->steps; ++i) {
    uint8_t& kind = v->Cells(row)[i];
    if (kind == kAbsent) continue;
    const Operand own{v->Values(row)[i], v->HistogramAt(row, i)};
    const Operand other{scalar[i], nullptr};
    CellResult cell;
    const Outcome outcome = ApplyOperator(
        e.op, scalar_left ? other : own, scalar_left ? own : other, e.pos, &ctx.annotations, &cell);
    if (outcome == Outcome::kFailed) {
      kind = kAbsent;
    } else if (e.return_bool) {
      v->SetFloat(row, i, outcome == Outcome::kKept ? 1 : 0);
    } else if (outcome == Outcome::kFiltered) {
      kind = kAbsent;
    } else if (IsComparison(e.op)) {
      continue;
    } else if (cell.histogram != nullptr) {
      v->SetHistogram(row, i, std::move(cell.histogram));
    } else {
      v->SetFloat(row, i, cell.value);
    }
  }
}

}  // namespace

Result<StepVector> VectorScalarBinary(QueryContext& ctx, const Expr& e, StepVector v,
                                      const std::vector<double>& scalar, bool scalar_left) {
  const bool rename = ChangesMetric(e.op) || e.return_bool;
  const bool trim = e.op == BinaryOp::kTrimUpper || e.op == BinaryOp::kTrimLower;
  std::vector<double> result;
  std::vector<uint8_t> keep;
  for (size_t row = 0; row < v.size(); ++row) {
    if (rename) DropName(ctx, &v.series[row]);
    if (v.histogram.empty() && !trim) {
      ScalarWithFloatRow(e, &v, row, scalar, scalar_left, &result, &keep);
    } else {
      ScalarWithRow(ctx, e, &v, row, scalar, scalar_left);
    }
  }
  v.RemoveEmptyRows();
  if (!ctx.options.delayed_name_removal) TRY(MergeEqualSeries(&v));
  return v;
}

}  // namespace deckwatch::query
