// A resource server written by others: Nimbus JOSE+JWT verifies tokens, its keys found through the issuer's discovery
// alone. Arguments: issuer, audience, algorithms (comma-separated). Each line of standard input is a token; the answer is
// a line: "ok" and the claims, or "no" and why.
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jose.util.JSONObjectUtils;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;

class Resource {
    public static void main(String[] arguments) throws Exception {
        var processor = processor(arguments[0], arguments[1], arguments[2]);
        var tokens = new BufferedReader(new InputStreamReader(System.in));
        for (var token = tokens.readLine(); token != null; token = tokens.readLine()) {
            System.out.println(verify(processor, token));
        }
    }

    private static DefaultJWTProcessor<SecurityContext> processor(String issuer, String audience, String algorithms)
            throws Exception {
        var request = HttpRequest.newBuilder(URI.create(issuer + "/.well-known/openid-configuration")).build();
        var answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        var discovery = JSONObjectUtils.parse(answer.body());
        if (!issuer.equals(discovery.get("issuer"))) throw new Exception("issuer is " + discovery.get("issuer"));

        var keys = JWKSourceBuilder.create(URI.create((String) discovery.get("jwks_uri")).toURL()).build();
        var accepted = Arrays.stream(algorithms.split(",")).map(JWSAlgorithm::parse).collect(Collectors.toSet());
        var processor = new DefaultJWTProcessor<SecurityContext>();
        processor.setJWSTypeVerifier(
                new DefaultJOSEObjectTypeVerifier<>(JOSEObjectType.JWT, new JOSEObjectType("at+jwt"), null));
        processor.setJWSKeySelector(new JWSVerificationKeySelector<>(accepted, keys));
        processor.setJWTClaimsSetVerifier(new DefaultJWTClaimsVerifier<>(
                audience, new JWTClaimsSet.Builder().issuer(issuer).build(), Set.of("sub", "exp", "iat")));
        return processor;
    }

    private static String verify(DefaultJWTProcessor<SecurityContext> processor, String token) {
        try {
            return "ok " + JSONObjectUtils.toJSONString(processor.process(token, null).toJSONObject());
        } catch (Exception error) {
            return "no " + error.toString().replace('\n', ' ');
        }
    }
}
