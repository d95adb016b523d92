deckwatch_test(discovery_test
  SOURCES discovery/docker_test.cc discovery/file_test.cc
  LIBS deckwatch_discovery PkgConfig::HTTPLIB OpenSSL::SSL OpenSSL::Crypto)
