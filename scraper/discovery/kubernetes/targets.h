// The mirror of the cluster's objects, and the target groups that follow from it.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "scraper/discovery/discoverer.h"
#include "scraper/discovery/kubernetes/objects.h"

namespace deckwatch::scraper::kubernetes {

struct TargetOptions {
  Kind role = Kind::kPod;  // one group per object of this kind
  bool attach_node = false;
  bool attach_namespace = false;
};

// Keeps the objects and knows which groups a change touches: while a group is built, every other
// object that was looked at (or looked for) is noted, and a change to that one builds the group
// anew. One thread at a time.
class Mirror {
 public:
  explicit Mirror(const TargetOptions& options) : options_(options) {}

  // Puts `objects` in the place of all of this kind in `ns` ("" = all namespaces).
  void Replace(Kind kind, const std::string& ns, std::vector<Object> objects);
  void Put(Kind kind, Object object);
  void Remove(Kind kind, const std::string& key);

  bool dirty() const { return !dirty_.empty(); }
  // The groups that changed since the last call; an empty one for each that is gone.
  std::vector<TargetGroup> TakeChanges();

 private:
  using ObjectId = std::pair<Kind, std::string>;

  void Touch(Kind kind, const std::string& key);
  const Object* Look(Kind kind, const std::string& key, std::set<ObjectId>* looked_at) const;
  TargetGroup Build(const Object& object, std::set<ObjectId>* looked_at) const;
  std::vector<Labels> PodTargets(const Object& pod) const;
  std::vector<Labels> EndpointTargets(const Object& object, std::set<ObjectId>* looked_at) const;
  void Depend(const std::string& key, std::set<ObjectId> looked_at);

  const TargetOptions options_;
  std::unordered_map<std::string, Object> objects_[kKinds];
  std::set<std::string> dirty_;                                     // keys of the role's kind
  std::map<ObjectId, std::set<std::string>> dependents_;            // object -> groups
  std::unordered_map<std::string, std::set<ObjectId>> depends_on_;  // group -> objects
  std::unordered_map<std::string, uint64_t> delivered_;             // group -> hash of content
};

}  // namespace deckwatch::scraper::kubernetes
