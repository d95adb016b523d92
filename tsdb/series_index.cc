#include "tsdb/series_index.h"

#include <algorithm>

namespace deckwatch::tsdb {

namespace {

constexpr uint64_t kTagMask = 0xffffffff00000000;

}  // namespace

uint64_t DerivedGroup(LabelsView labels) {
  LabelsBuilder b;
  b.Set("job", labels.Get("job")).Set("instance", labels.Get("instance"));
  return b.Build().Hash() | 1;  // 0 means "derive"
}

// ---- the table

SeriesIndex::Series* SeriesIndex::At(uint32_t id) {
  const uint32_t page = id / kPage;
  if (page >= pages_.size() || pages_[page] == nullptr) return nullptr;
  Series* s = &(*pages_[page])[id % kPage];
  return s->alive() ? s : nullptr;
}
const SeriesIndex::Series* SeriesIndex::At(uint32_t id) const {
  return const_cast<SeriesIndex*>(this)->At(id);
}

size_t SeriesIndex::Home(uint64_t low) const {
  return (low >> 32) * table_.size() >> 32;
}

size_t SeriesIndex::Following(size_t slot) const {
  return slot + 1 == table_.size() ? 0 : slot + 1;
}

uint32_t SeriesIndex::Find(uint64_t high, uint64_t low) const {
  if (table_.empty()) return 0;
  for (size_t i = Home(low); table_[i] != 0; i = Following(i)) {
    if (((table_[i] ^ high) & kTagMask) != 0) continue;
    const auto id = static_cast<uint32_t>(table_[i]);
    const Series* s = At(id);
    if (s->hash_high == high && s->hash_low == low) return id;
  }
  return 0;
}

void SeriesIndex::InsertHash(uint64_t high, uint64_t low, uint32_t id) {
  size_t i = Home(low);
  while (table_[i] != 0) i = Following(i);
  table_[i] = (high & kTagMask) | id;
}

// Closes the hole by moving later entries of the run back, so that no tombstones are needed.
void SeriesIndex::EraseHash(uint64_t high, uint64_t low, uint32_t id) {
  const size_t size = table_.size();
  size_t hole = Home(low);
  while (table_[hole] != ((high & kTagMask) | id)) hole = Following(hole);
  for (size_t i = Following(hole); table_[i] != 0; i = Following(i)) {
    const size_t home = Home(At(static_cast<uint32_t>(table_[i]))->hash_low);
    if ((i + size - home) % size >= (i + size - hole) % size) {
      table_[hole] = table_[i];
      hole = i;
    }
  }
  table_[hole] = 0;
}

void SeriesIndex::GrowTable() {
  if ((alive_ + 1) * 5 < table_.size() * 4) return;
  const size_t size = std::max<size_t>(1024, table_.size() * 3 / 2);
  table_ = std::vector<uint64_t>();  // first: room for the new one
  table_.resize(size);
  for (uint32_t p = 0; p < pages_.size(); ++p) {
    if (pages_[p] == nullptr) continue;
    for (uint32_t i = 0; i < kPage; ++i) {
      const Series& s = (*pages_[p])[i];
      if (s.alive()) InsertHash(s.hash_high, s.hash_low, p * kPage + i);
    }
  }
}

// ---- series

uint32_t SeriesIndex::PairOf(std::string_view name, std::string_view value) {
  auto it = names_.find(name);
  if (it == names_.end()) it = names_.emplace(std::string(name), Name{}).first;
  if (auto found = it->second.pair_of_value.find(value); found != it->second.pair_of_value.end()) {
    return found->second;
  }
  uint32_t id;
  if (free_pairs_.empty()) {
    id = static_cast<uint32_t>(pairs_.size());
    pairs_.emplace_back();
  } else {
    id = free_pairs_.back();
    free_pairs_.pop_back();
  }
  Pair& p = pairs_[id];
  p.value = std::make_shared<const std::string>(value);
  p.name = &it->first;
  it->second.pair_of_value.emplace(*p.value, id);
  text_bytes_ += value.size();
  return id;
}

void SeriesIndex::RemovePair(uint32_t pair) {
  Pair& p = pairs_[pair];
  text_bytes_ -= p.value->size();
  const auto it = names_.find(*p.name);
  it->second.pair_of_value.erase(*p.value);
  if (it->second.pair_of_value.empty()) names_.erase(it);
  p = Pair{};
  free_pairs_.push_back(pair);
}

const uint32_t* SeriesIndex::PairIds(const Series& s) const {
  return pair_ids_.data() + s.pairs;
}

void SeriesIndex::Insert(uint32_t id, std::pair<uint64_t, uint64_t> hash, uint32_t group,
                         uint32_t column, LabelsView labels) {
  GrowTable();
  const uint32_t page = id / kPage;
  if (page >= pages_.size()) {
    pages_.resize(page + 1);
    alive_in_page_.resize(page + 1);
  }
  if (pages_[page] == nullptr) {
    pages_[page] = std::make_unique<std::array<Series, kPage>>();
    MeasureMemory();
  }
  Series& s = (*pages_[page])[id % kPage];
  s.hash_high = hash.first, s.hash_low = hash.second;
  s.group = group, s.column = column;
  s.pair_count = static_cast<uint16_t>(labels.Count());
  if (auto& free = free_pair_ids_[s.pair_count]; !free.empty()) {
    s.pairs = free.back();
    free.pop_back();
  } else {
    s.pairs = static_cast<uint32_t>(pair_ids_.size());
    const size_t size = pair_ids_.size() + s.pair_count;
    if (size > pair_ids_.capacity()) pair_ids_.reserve(size + size / 8);
    pair_ids_.resize(size);
  }
  uint32_t at = s.pairs;
  for (const LabelRef l : labels) {
    const uint32_t pair = PairOf(l.name, l.value);
    pair_ids_[at++] = pair;
    PostingRuns& runs = pairs_[pair].series;
    postings_bytes_ -= runs.heap_bytes();
    runs.Insert(id);
    postings_bytes_ += runs.heap_bytes();
  }
  ++alive_in_page_[page];
  ++alive_;
  ++version_;
  InsertHash(hash.first, hash.second, id);
  next_id_ = std::max(next_id_, id + 1);
}

Status SeriesIndex::Resolve(std::span<const LabelsView> labels, uint64_t group_key,
                            std::span<SeriesRef> refs) {
  std::vector<std::pair<uint64_t, uint64_t>> hashes(labels.size());
  for (size_t i = 0; i < labels.size(); ++i) hashes[i] = labels[i].Hash128();
  uint64_t refused = 0, too_long = 0;
  const bool has_memory = MemoryBytes() < max_bytes_;
  MutexLock lock(mutex_);
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto [high, low] = hashes[i];
    uint32_t id = Find(high, low);
    const bool room = has_memory && (max_series_ == 0 || alive_ < max_series_) &&
                      next_id_ < UINT32_MAX && labels[i].encoded().size() <= kMaxLabelSetBytes;
    if (id == 0 && room) {
      const uint32_t g = GroupOf(group_key != 0 ? group_key : DerivedGroup(labels[i]));
      Group* group = &groups_[g];
      uint32_t column = group->columns;
      if (group->free_columns.empty()) {
        ++group->columns;
      } else {
        column = group->free_columns.back();
        group->free_columns.pop_back();
      }
      id = next_id_;
      Insert(id, hashes[i], g, column, labels[i]);
      ++created_;
    } else if (id == 0) {
      ++refused;
      too_long += labels[i].encoded().size() > kMaxLabelSetBytes ? 1 : 0;
    }
    refs[i] = id;
  }
  MeasureMemory();
  refused_ += refused;
  if (refused == 0) return {};
  std::string why;
  if (too_long == refused) {
    why = "label sets over " + std::to_string(kMaxLabelSetBytes) + " bytes";
  } else if (!has_memory) {
    why = std::to_string(alive_) + " series use up their share of the memory";
  } else {
    why = "the limit of " + std::to_string(max_series_) + " series is reached";
  }
  return Status::ResourceExhausted(std::to_string(refused) + " series not created: " + why);
}

bool SeriesIndex::Restore(uint32_t id, uint64_t group_key, uint32_t column, LabelsView labels) {
  if (column >= kMaxColumns) return false;
  const auto hash = labels.Hash128();
  MutexLock lock(mutex_);
  if (At(id) != nullptr || Find(hash.first, hash.second) != 0) return false;
  const uint32_t g = GroupOf(group_key);
  Insert(id, hash, g, column, labels);
  At(id)->durable = true;
  groups_[g].columns = std::max(groups_[g].columns, column + 1);
  return true;
}

void SeriesIndex::MarkDurable(std::span<const uint32_t> ids) {
  MutexLock lock(mutex_);
  for (uint32_t id : ids) {
    if (Series* s = At(id); s != nullptr) s->durable = true;
  }
}

void SeriesIndex::SetDurable(std::span<const uint32_t> ids) {
  MutexLock lock(mutex_);
  size_t at = 0;
  for (uint32_t id = 1; id < next_id_; ++id) {
    while (at < ids.size() && ids[at] < id) ++at;
    if (Series* s = At(id); s != nullptr) s->durable = at < ids.size() && ids[at] == id;
  }
}

std::vector<SeriesPlace> SeriesIndex::Remove(std::span<const uint32_t> ids) {
  std::vector<SeriesPlace> places;
  MutexLock lock(mutex_);
  std::vector<uint32_t> touched;
  std::vector<uint32_t> gone(ids.begin(), ids.end());
  std::sort(gone.begin(), gone.end());
  for (uint32_t id : gone) {
    const Series* s = At(id);
    if (s != nullptr) touched.insert(touched.end(), PairIds(*s), PairIds(*s) + s->pair_count);
  }
  std::sort(touched.begin(), touched.end());
  touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
  for (uint32_t pair : touched) {
    PostingRuns& runs = pairs_[pair].series;
    postings_bytes_ -= runs.heap_bytes();
    runs = PostingRuns(Subtract(runs.Decode(), gone));
    postings_bytes_ += runs.heap_bytes();
    if (runs.size() == 0) RemovePair(pair);
  }
  ++removals_;
  ++version_;
  for (uint32_t id : gone) {
    Series* s = At(id);
    if (s == nullptr) continue;
    EraseHash(s->hash_high, s->hash_low, id);
    places.push_back({s->group, s->column, s->durable});
    free_pair_ids_[s->pair_count].push_back(s->pairs);
    *s = Series{};
    --alive_;
    if (--alive_in_page_[id / kPage] == 0) pages_[id / kPage] = nullptr;
  }
  MeasureMemory();
  return places;
}

void SeriesIndex::ReserveNumbers(uint32_t next) {
  MutexLock lock(mutex_);
  next_id_ = std::max(next_id_, next);
}

// ---- looking up

// Each series is a miss of the processor's cache: several are waited for at once.
void SeriesIndex::Prefetch(SeriesRef ref) const {
  const uint64_t page = ref / kPage;
  if (page < pages_.size() && pages_[page] != nullptr) {
    __builtin_prefetch(&(*pages_[page])[ref % kPage]);
  }
}

void SeriesIndex::Places(std::span<const SeriesRef> refs, std::vector<SeriesPlace>* out) const {
  out->resize(refs.size());
  MutexLock lock(mutex_);
  constexpr size_t kAhead = 16;
  for (size_t i = 0; i < refs.size(); ++i) {
    if (i + kAhead < refs.size()) Prefetch(refs[i + kAhead]);
    const Series* s = refs[i] > UINT32_MAX ? nullptr : At(static_cast<uint32_t>(refs[i]));
    (*out)[i] = s == nullptr ? SeriesPlace{} : SeriesPlace{s->group, s->column, s->durable};
  }
}

std::vector<std::pair<uint32_t, SeriesPlace>> SeriesIndex::AllPlaces() const {
  MutexLock lock(mutex_);
  std::vector<std::pair<uint32_t, SeriesPlace>> out;
  out.reserve(alive_);
  for (uint32_t p = 0; p < pages_.size(); ++p) {
    for (uint32_t i = 0; pages_[p] != nullptr && i < kPage; ++i) {
      const Series& s = (*pages_[p])[i];
      if (s.alive()) out.emplace_back(p * kPage + i, SeriesPlace{s.group, s.column, s.durable});
    }
  }
  return out;
}

uint64_t SeriesIndex::removals() const {
  MutexLock lock(mutex_);
  return removals_;
}

uint64_t SeriesIndex::version() const {
  MutexLock lock(mutex_);
  return version_;
}

void SeriesIndex::BuildLabels(const Series& s, LabelsBuilder* builder, Labels* out) const {
  builder->Reset();
  for (uint32_t i = 0; i < s.pair_count; ++i) {
    const Pair& p = pairs_[PairIds(s)[i]];
    builder->Set(*p.name, *p.value);
  }
  *out = builder->Build();
}

bool SeriesIndex::GetLabels(uint32_t id, Labels* out) const {
  LabelsBuilder builder;
  MutexLock lock(mutex_);
  const Series* s = At(id);
  if (s == nullptr) return false;
  BuildLabels(*s, &builder, out);
  return true;
}

std::vector<SeriesIndex::Entry> SeriesIndex::Entries(std::span<const uint32_t> ids) const {
  constexpr size_t kAtOnce = 512;  // writers get their turn between
  std::vector<Entry> out;
  out.reserve(ids.size());
  LabelsBuilder builder;
  for (size_t from = 0; from < ids.size(); from += kAtOnce) {
    MutexLock lock(mutex_);
    for (uint32_t id : ids.subspan(from, std::min(kAtOnce, ids.size() - from))) {
      const Series* s = At(id);
      if (s == nullptr) continue;
      Entry e;
      e.id = id;
      e.place = {s->group, s->column, s->durable};
      BuildLabels(*s, &builder, &e.labels);
      out.push_back(std::move(e));
    }
  }
  return out;
}

Result<Postings> SeriesIndex::All() const {
  MutexLock lock(mutex_);
  Postings out;
  out.reserve(alive_);
  for (uint32_t p = 0; p < pages_.size(); ++p) {
    if (pages_[p] == nullptr) continue;
    for (uint32_t i = 0; i < kPage; ++i) {
      if ((*pages_[p])[i].alive()) out.push_back(p * kPage + i);
    }
  }
  return out;
}

Result<Postings> SeriesIndex::Get(std::string_view name, std::string_view value) const {
  PostingRuns runs;
  {
    MutexLock lock(mutex_);
    const auto it = names_.find(name);
    if (it == names_.end()) return Postings{};
    const auto pair = it->second.pair_of_value.find(value);
    if (pair == it->second.pair_of_value.end()) return Postings{};
    runs = pairs_[pair->second].series;
  }
  return runs.Decode();
}

Status SeriesIndex::GetWhere(std::string_view name, std::string_view prefix,
                             const std::function<bool(std::string_view)>& want,
                             std::vector<Postings>* out) const {
  // Copies handles to the texts, matches without the lock, then copies the chosen postings.
  struct Candidate {
    uint32_t pair;
    std::shared_ptr<const std::string> value;
  };
  std::vector<Candidate> candidates;
  {
    MutexLock lock(mutex_);
    const auto it = names_.find(name);
    if (it == names_.end()) return {};
    for (const auto& [value, pair] : it->second.pair_of_value) {
      if (value.starts_with(prefix)) candidates.push_back({pair, pairs_[pair].value});
    }
  }
  std::erase_if(candidates, [&](const Candidate& c) { return !want(*c.value); });
  std::vector<PostingRuns> chosen;
  {
    MutexLock lock(mutex_);
    for (const Candidate& c : candidates) {
      if (pairs_[c.pair].value == c.value) chosen.push_back(pairs_[c.pair].series);
    }
  }
  for (const PostingRuns& runs : chosen) out->push_back(runs.Decode());
  return {};
}

uint64_t SeriesIndex::size() const {
  MutexLock lock(mutex_);
  return alive_;
}
uint64_t SeriesIndex::created() const {
  MutexLock lock(mutex_);
  return created_;
}
uint64_t SeriesIndex::refused() const {
  MutexLock lock(mutex_);
  return refused_;
}
uint32_t SeriesIndex::next_id() const {
  MutexLock lock(mutex_);
  return next_id_;
}

void SeriesIndex::MeasureMemory() {
  uint64_t n = table_.capacity() * 8 + pair_ids_.capacity() * 4 + text_bytes_ + postings_bytes_;
  n += pairs_.size() * (sizeof(Pair) + 96);  // its text's header and its map node
  for (const auto& page : pages_) n += page == nullptr ? 0 : sizeof *page;
  bytes_.store(n, std::memory_order_relaxed);
}

}  // namespace deckwatch::tsdb
