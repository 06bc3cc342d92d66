// A client written by others: a Spring Boot application in which a user logs in, and which exchanges the user's token with
// Spring Security's token exchange client. Which HTTP client all of this uses, Spring finds out from the class path.
// The properties are in test_spring.py, which starts it and opens its pages. Each page answers with JSON.
package client;

import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.http.HttpStatus;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.security.authentication.AnonymousAuthenticationToken;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.Authentication;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.core.authority.AuthorityUtils;
import org.springframework.security.oauth2.client.ClientAuthorizationException;
import org.springframework.security.oauth2.client.OAuth2AuthorizeRequest;
import org.springframework.security.oauth2.client.OAuth2AuthorizedClient;
import org.springframework.security.oauth2.client.OAuth2AuthorizedClientManager;
import org.springframework.security.oauth2.client.OAuth2AuthorizedClientProviderBuilder;
import org.springframework.security.oauth2.client.TokenExchangeOAuth2AuthorizedClientProvider;
import org.springframework.security.oauth2.client.endpoint.RestClientTokenExchangeTokenResponseClient;
import org.springframework.security.oauth2.client.oidc.web.logout.OidcClientInitiatedLogoutSuccessHandler;
import org.springframework.security.oauth2.client.registration.ClientRegistration;
import org.springframework.security.oauth2.client.registration.ClientRegistrationRepository;
import org.springframework.security.oauth2.client.web.DefaultOAuth2AuthorizedClientManager;
import org.springframework.security.oauth2.client.web.OAuth2AuthorizedClientRepository;
import org.springframework.security.oauth2.core.oidc.user.OidcUser;
import org.springframework.security.oauth2.server.resource.introspection.RestClientOpaqueTokenIntrospector;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.util.LinkedMultiValueMap;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.client.RestClient;

@SpringBootApplication
class App {
    public static void main(String[] arguments) {
        SpringApplication.run(App.class, arguments);
    }

    @Bean
    SecurityFilterChain filters(HttpSecurity http, ClientRegistrationRepository clients) throws Exception {
        var logout = new OidcClientInitiatedLogoutSuccessHandler(clients);
        return http.authorizeHttpRequests(of -> of.requestMatchers("/error", "/service").permitAll().anyRequest().authenticated())
                .csrf(csrf -> csrf.disable()) // The tests have no use for a page with a form in it.
                .oauth2Login(login -> {})
                .logout(end -> end.logoutSuccessHandler(logout))
                .build();
    }

    /** Refreshes always, because no token lives for a day; exchanges the token of the login. */
    @Bean
    OAuth2AuthorizedClientManager manager(ClientRegistrationRepository clients, OAuth2AuthorizedClientRepository users,
            @Value("${app.audience}") String audience) {
        var exchange = new RestClientTokenExchangeTokenResponseClient();
        exchange.addParametersConverter(grant -> {
            var parameters = new LinkedMultiValueMap<String, String>();
            parameters.add("audience", grant.getClientRegistration().getRegistrationId().equals("forbidden") ? "other-api" : audience);
            return parameters;
        });
        var exchanged = new TokenExchangeOAuth2AuthorizedClientProvider();
        exchanged.setAccessTokenResponseClient(exchange);
        exchanged.setSubjectTokenResolver(context -> context.getAttribute("subject"));
        var manager = new DefaultOAuth2AuthorizedClientManager(clients, users);
        manager.setContextAttributesMapper(request -> {
            var subject = request.getAttributes().get("subject");
            return subject == null ? Map.of() : Map.of("subject", subject);
        });
        manager.setAuthorizedClientProvider(OAuth2AuthorizedClientProviderBuilder.builder()
                .authorizationCode()
                .refreshToken(refresh -> refresh.clockSkew(Duration.ofDays(1)))
                .clientCredentials()
                .provider(exchanged)
                .build());
        return manager;
    }
}

@RestController
class Pages {
    private final OAuth2AuthorizedClientManager manager;
    private final RestClient http;
    private final String issuer;
    private final String audience;
    private final String secret;
    private final ClientRegistration self;

    Pages(OAuth2AuthorizedClientManager manager, RestClient.Builder http, ClientRegistrationRepository clients,
            @Value("${app.issuer}") String issuer, @Value("${app.audience}") String audience,
            @Value("${app.audience-secret}") String secret) {
        this.self = clients.findByRegistrationId("corp");
        this.manager = manager;
        this.http = http.build();
        this.issuer = issuer;
        this.audience = audience;
        this.secret = secret;
    }

    /** Userinfo was asked for while the user logged in: the claims are the ID token's and those of userinfo. */
    @GetMapping("/user")
    Map<String, Object> user(@AuthenticationPrincipal OidcUser user) {
        return Map.of("id_token", user.getIdToken().getTokenValue(), "userinfo", user.getUserInfo().getClaims());
    }

    /** By the HTTP client that Spring Boot gives to the application itself. */
    @GetMapping("/userinfo")
    Map<?, ?> userinfo(Authentication user) {
        var token = authorize("corp", user, null).getAccessToken().getTokenValue();
        return http.get().uri(issuer + "/protocol/openid-connect/userinfo")
                .headers(headers -> headers.setBearerAuth(token)).retrieve().body(Map.class);
    }

    @GetMapping("/refreshed")
    Map<String, Object> refreshed(Authentication user) {
        return shown(authorize("corp", user, null));
    }

    @GetMapping("/exchanged")
    Map<String, Object> exchanged(Authentication user, @RequestParam(defaultValue = "exchange") String registration) {
        return shown(authorize(registration, user, authorize("corp", user, null)));
    }

    @GetMapping("/service")
    Map<String, Object> service() {
        var nobody = new AnonymousAuthenticationToken("key", "service", AuthorityUtils.createAuthorityList("NONE"));
        return shown(authorize("service", nobody, null));
    }

    /** What the exchanged token's audience is told about it, before and after it is revoked. */
    @GetMapping("/revoked")
    Map<String, Object> revoked(Authentication user) {
        var token = authorize("exchange", user, authorize("corp", user, null)).getAccessToken().getTokenValue();
        var introspector = new RestClientOpaqueTokenIntrospector(issuer + "/protocol/openid-connect/token/introspect",
                http.mutate().defaultHeaders(headers -> headers.setBasicAuth(audience, secret)).build());
        var before = introspector.introspect(token).getAttributes();
        var form = new LinkedMultiValueMap<String, String>();
        form.add("token", token);
        var status = http.post().uri(issuer + "/protocol/openid-connect/revoke")
                .headers(headers -> headers.setBasicAuth(self.getClientId(), self.getClientSecret()))
                .contentType(MediaType.APPLICATION_FORM_URLENCODED).body(form).retrieve().toBodilessEntity().getStatusCode();
        String after;
        try {
            after = introspector.introspect(token).getAttributes().toString();
        } catch (Exception refused) {
            after = refused.getMessage();
        }
        return Map.of("access_token", token, "aud", before.get("aud"), "sub", before.get("sub"), "status", status.value(), "after", after);
    }

    @ExceptionHandler
    ResponseEntity<Map<String, String>> refused(ClientAuthorizationException refusal) {
        var error = refusal.getError();
        return ResponseEntity.status(HttpStatus.BAD_GATEWAY)
                .body(Map.of("error", error.getErrorCode(), "error_description", Objects.toString(error.getDescription())));
    }

    private OAuth2AuthorizedClient authorize(String registration, Authentication user, OAuth2AuthorizedClient login) {
        var request = OAuth2AuthorizeRequest.withClientRegistrationId(registration).principal(user);
        if (login != null) request.attribute("subject", login.getAccessToken());
        return Objects.requireNonNull(manager.authorize(request.build()));
    }

    private static Map<String, Object> shown(OAuth2AuthorizedClient client) {
        return Map.of("access_token", client.getAccessToken().getTokenValue(), "scopes", client.getAccessToken().getScopes());
    }
}
