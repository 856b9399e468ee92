// libcrypto.so for civetweb 1.15, which loads OpenSSL by this name: linked to the real
// libcrypto.so.3, through which everything is found.

int runnel_tls_crypto_is_ours(void);
int runnel_tls_crypto_is_ours(void) { return 1; }
