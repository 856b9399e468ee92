// libssl.so for civetweb 1.15, which loads OpenSSL by this name and looks for a function that
// OpenSSL 3 has renamed. Linked to the real libssl.so.3, through which all else is found.

#include <openssl/ssl.h>
#undef SSL_get_peer_certificate

X509* SSL_get_peer_certificate(const SSL* ssl);
int runnel_tls_is_ours(void);

X509* SSL_get_peer_certificate(const SSL* ssl) { return SSL_get1_peer_certificate(ssl); }

// Asked for by agent/base/civetweb_tls.cc.
int runnel_tls_is_ours(void) { return 1; }
