#include "proxy/intermediate.h"

#include <poll.h>

#include "base/seqpacket.h"
#include "proto/frame.h"
#include "proto/proxy_control.pb.h"
#include "x509/certificate.h"

namespace anchorhold::proxy {
namespace {

constexpr int kPatienceMs = 10'000;

}  // namespace

Result<CertifiedKey> make_intermediate(int control) {
    CertifiedKey made{OwnKey(EVP_EC_gen("P-256")), {}};
    if (!made.key) {
        return fail_openssl("the intermediate's key");
    }
    proto::ProxyReport report;
    report.set_public_key(ANCHORHOLD_TRY(x509::public_key_der(made.key.get())));
    ANCHORHOLD_TRY(send_packet(control, report.SerializeAsString()));
    pollfd answered{control, POLLIN, 0};
    if (::poll(&answered, 1, kPatienceMs) != 1) {
        return fail("the supervisor does not certify the intermediate");
    }
    const auto packet = ANCHORHOLD_TRY(receive_packet(control));
    if (!packet || packet->bytes.empty()) {
        return fail("the supervisor went away before it certified the intermediate");
    }
    proto::ProxyOrder order =
        ANCHORHOLD_TRY(proto::parse<proto::ProxyOrder>(packet->bytes, "the certificate"));
    made.certificate = std::move(*order.mutable_intermediate());
    return made;
}

}  // namespace anchorhold::proxy
