// label_replace and label_join.
#include "base/regex.h"
#include "query/eval.h"
#include "query/label_sets.h"
#include "query/vector_functions.h"

namespace deckwatch::query {

namespace {

const std::string& StringArg(const Expr& call, size_t i) {
  return Unwrap(*call.args[i]).string;
}

bool ValidLabelName(const std::string& name) {
  return !name.empty() && IsValidUtf8(name);
}

void SetLabel(SeriesInfo* series, LabelsBuilder* builder, const std::string& name,
              const std::string& value) {
  builder->Reset(series->labels);
  builder->Set(name, value);
  series->labels = builder->Build();
  if (name == kMetricName) series->drop_name = false;
}

}  // namespace

Result<StepVector> LabelReplace(QueryContext&, const Expr& call, StepVector v) {
  const std::string& dst = StringArg(call, 1);
  const std::string& replacement = StringArg(call, 2);
  const std::string& src = StringArg(call, 3);
  const std::string& pattern = StringArg(call, 4);
  const auto regex = Regex::Compile(pattern);
  if (!regex.ok()) {
    return ExecutionError("invalid regular expression in label_replace(): " + pattern);
  }
  if (!ValidLabelName(dst)) {
    return ExecutionError("invalid destination label name in label_replace(): " + dst);
  }
  LabelsBuilder builder;
  std::string value;
  for (SeriesInfo& series : v.series) {
    if (regex->Expand(series.labels.Get(src), replacement, &value)) {
      SetLabel(&series, &builder, dst, value);
    }
  }
  TRY(MergeEqualSeries(&v));
  return v;
}

Result<StepVector> LabelJoin(QueryContext&, const Expr& call, StepVector v) {
  const std::string& dst = StringArg(call, 1);
  const std::string& separator = StringArg(call, 2);
  for (size_t i = 3; i < call.args.size(); ++i) {
    if (!ValidLabelName(StringArg(call, i))) {
      return ExecutionError("invalid source label name in label_join(): " + StringArg(call, i));
    }
  }
  if (!ValidLabelName(dst)) {
    return ExecutionError("invalid destination label name in label_join(): " + dst);
  }
  LabelsBuilder builder;
  for (SeriesInfo& series : v.series) {
    std::string value;
    for (size_t i = 3; i < call.args.size(); ++i) {
      if (i > 3) value += separator;
      value += series.labels.Get(StringArg(call, i));
    }
    SetLabel(&series, &builder, dst, value);
  }
  TRY(MergeEqualSeries(&v));
  return v;
}

}  // namespace deckwatch::query
