deckwatch_test(collectors_test
  SOURCES collectors/containers_test.cc collectors/host_test.cc
  LIBS deckwatch_collectors PkgConfig::HTTPLIB OpenSSL::SSL OpenSSL::Crypto)
