// A resource server written by others: Spring Security verifies tokens as Spring Boot sets it up for `issuer-uri`,
// `audiences` and `jws-algorithms`, its keys found through the issuer's discovery alone. Arguments: issuer, audience,
// algorithms (comma-separated). Each line of standard input is a token; the answer is a line: "ok" and the claims, or
// "no" and why.
package resource;

import com.nimbusds.jose.util.JSONObjectUtils;
import com.nimbusds.jwt.SignedJWT;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.springframework.security.oauth2.core.DelegatingOAuth2TokenValidator;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.JwtClaimNames;
import org.springframework.security.oauth2.jwt.JwtClaimValidator;
import org.springframework.security.oauth2.jwt.JwtValidators;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;

class Resource {
    public static void main(String[] arguments) throws Exception {
        var decoder = decoder(arguments[0], arguments[1], arguments[2]);
        var tokens = new BufferedReader(new InputStreamReader(System.in));
        for (var token = tokens.readLine(); token != null; token = tokens.readLine()) {
            System.out.println(verify(decoder, token));
        }
    }

    private static NimbusJwtDecoder decoder(String issuer, String audience, String algorithms) {
        var decoder = NimbusJwtDecoder.withIssuerLocation(issuer)
                .jwsAlgorithms(set -> Arrays.stream(algorithms.split(",")).map(SignatureAlgorithm::from)
                        .filter(Objects::nonNull).forEach(set::add)) // It has no name for EdDSA.
                .build();
        decoder.setJwtValidator(new DelegatingOAuth2TokenValidator<>(
                JwtValidators.createDefaultWithIssuer(issuer),
                new JwtClaimValidator<List<String>>(JwtClaimNames.AUD, aud -> aud != null && aud.contains(audience))));
        return decoder;
    }

    private static String verify(NimbusJwtDecoder decoder, String token) {
        try {
            decoder.decode(token);
            return "ok " + JSONObjectUtils.toJSONString(SignedJWT.parse(token).getJWTClaimsSet().toJSONObject());
        } catch (Exception error) {
            return "no " + error.toString().replace('\n', ' ');
        }
    }
}
