deckwatch_test(discovery_test
  SOURCES
    discovery/docker_test.cc
    discovery/file_test.cc
    discovery/kubernetes_targets_test.cc
    discovery/kubernetes_test.cc
    discovery/kubernetes_watch_test.cc
  LIBS deckwatch_discovery PkgConfig::HTTPLIB OpenSSL::SSL OpenSSL::Crypto)
deckwatch_fuzzer(discovery_fuzz SOURCES discovery/discovery_fuzz.cc LIBS deckwatch_discovery)
