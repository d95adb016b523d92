// TLS as configured: who is trusted, under which name, and with which certificate we show up.
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "base/executor.h"
#include "base/http_client.h"

namespace deckwatch {
namespace {

using ::testing::HasSubstr;

// A certificate for `name` made on the spot, signed by `issuer` or by itself.
class Certificate {
 public:
  explicit Certificate(const std::string& name, const Certificate* issuer = nullptr)
      : key_(EVP_EC_gen("P-256")), cert_(X509_new()) {
    X509_set_version(cert_, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert_), static_cast<long>(name.size()) + 1);
    X509_gmtime_adj(X509_getm_notBefore(cert_), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert_), 3600);
    X509_set_pubkey(cert_, key_);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert_), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(cert_, X509_get_subject_name(issuer == nullptr ? cert_ : issuer->cert_));
    Extend(NID_basic_constraints, issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
    if (issuer != nullptr) {
      const bool ip = std::isdigit(static_cast<unsigned char>(name[0])) != 0;
      Extend(NID_subject_alt_name, (ip ? "IP:" : "DNS:") + name);
    }
    X509_sign(cert_, issuer == nullptr ? key_ : issuer->key_, EVP_sha256());
  }
  ~Certificate() {
    X509_free(cert_);
    EVP_PKEY_free(key_);
  }
  Certificate(const Certificate&) = delete;
  Certificate& operator=(const Certificate&) = delete;

  X509* cert() const { return cert_; }
  EVP_PKEY* key() const { return key_; }
  std::string CertPem() const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, cert_);
    return Drain(bio);
  }
  std::string KeyPem() const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key_, nullptr, nullptr, 0, nullptr, nullptr);
    return Drain(bio);
  }

 private:
  void Extend(int nid, const std::string& value) {
    X509_EXTENSION* e = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
    X509_add_ext(cert_, e, -1);
    X509_EXTENSION_free(e);
  }
  static std::string Drain(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string out(data, static_cast<size_t>(size));
    BIO_free(bio);
    return out;
  }
  EVP_PKEY* key_;
  X509* cert_;
};

class TlsServer {
 public:
  TlsServer(const Certificate& own, const Certificate* client_ca)
      : server_([&](SSL_CTX& ctx) {
          SSL_CTX_use_certificate(&ctx, own.cert());
          SSL_CTX_use_PrivateKey(&ctx, own.key());
          if (client_ca != nullptr) {
            X509_STORE_add_cert(SSL_CTX_get_cert_store(&ctx), client_ca->cert());
            SSL_CTX_set_verify(&ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
          }
          return true;
        }) {
    server_.Get("/", [](const httplib::Request&, httplib::Response& r) {
      r.set_content("secure", "text/plain");
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = StartThread("tls-server", [this](std::stop_token) { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~TlsServer() { server_.stop(); }

  Result<HttpResponse> Ask(const TlsConfig& tls) const {
    HttpClientConfig config;
    config.tls = tls;
    HttpRequest request;
    request.url = "https://127.0.0.1:" + std::to_string(port_) + "/";
    return HttpClient(config).Do(request);
  }

 private:
  httplib::SSLServer server_;
  int port_ = 0;
  std::jthread thread_;
};

std::string BodyOf(const Result<HttpResponse>& answer) {
  return answer.ok() ? answer->body : answer.status().message();
}

TEST(HttpClientTls, TrustsOnlyTheConfiguredAuthority) {
  const Certificate ca("ca"), other("other ca"), own("127.0.0.1", &ca);
  TlsServer server(own, nullptr);
  TlsConfig tls;
  EXPECT_THAT(BodyOf(server.Ask(tls)), HasSubstr("not trusted"));
  tls.ca = other.CertPem();
  EXPECT_THAT(BodyOf(server.Ask(tls)), HasSubstr("not trusted"));
  tls.ca = other.CertPem() + ca.CertPem();
  EXPECT_EQ(BodyOf(server.Ask(tls)), "secure");
  tls.ca = "no certificate";
  EXPECT_THAT(BodyOf(server.Ask(tls)), HasSubstr("no CA certificate"));
  tls = {};
  tls.insecure_skip_verify = true;
  EXPECT_EQ(BodyOf(server.Ask(tls)), "secure");
}

TEST(HttpClientTls, ChecksTheNameItIsTold) {
  const Certificate ca("ca"), own("api.internal", &ca);
  TlsServer server(own, nullptr);
  TlsConfig tls;
  tls.ca = ca.CertPem();
  EXPECT_THAT(BodyOf(server.Ask(tls)), HasSubstr("not trusted for this name"));
  tls.server_name = "api.internal";
  EXPECT_EQ(BodyOf(server.Ask(tls)), "secure");
  tls.server_name = "other.internal";
  EXPECT_THAT(BodyOf(server.Ask(tls)), HasSubstr("not trusted for this name"));
}

TEST(HttpClientTls, ShowsItsOwnCertificate) {
  const Certificate ca("ca"), own("127.0.0.1", &ca), me("me", &ca), stranger("stranger");
  TlsServer server(own, &ca);
  TlsConfig tls;
  tls.ca = ca.CertPem();
  EXPECT_FALSE(server.Ask(tls).ok());
  tls.cert = me.CertPem();
  tls.key = Secret(me.KeyPem());
  EXPECT_EQ(BodyOf(server.Ask(tls)), "secure");
  tls.key = Secret(stranger.KeyPem());
  EXPECT_THAT(BodyOf(server.Ask(tls)), HasSubstr("no fitting private key"));
}

TEST(HttpClientTls, ReadsFilesAnewForEachConnection) {
  const Certificate ca("ca"), own("127.0.0.1", &ca);
  TlsServer server(own, nullptr);
  TlsConfig tls;
  tls.ca_file = ::testing::TempDir() + "dw_ca_" + std::to_string(::getpid()) + ".pem";
  EXPECT_THAT(BodyOf(server.Ask(tls)), HasSubstr(tls.ca_file));
  std::ofstream(tls.ca_file) << ca.CertPem();
  EXPECT_EQ(BodyOf(server.Ask(tls)), "secure");
  std::filesystem::remove(tls.ca_file);
}

TEST(HttpClientTls, KeepsToTheConfiguredVersions) {
  const Certificate ca("ca"), own("127.0.0.1", &ca);
  TlsServer server(own, nullptr);
  TlsConfig tls;
  tls.ca = ca.CertPem();
  tls.min_version = "TLS13";
  tls.max_version = "TLS12";
  EXPECT_FALSE(server.Ask(tls).ok());
  tls.max_version = "TLS13";
  EXPECT_EQ(BodyOf(server.Ask(tls)), "secure");
}

}  // namespace
}  // namespace deckwatch
