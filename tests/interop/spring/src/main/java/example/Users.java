package example;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.core.DelegatingOAuth2TokenValidator;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtAudienceValidator;
import org.springframework.security.oauth2.jwt.JwtClaimNames;
import org.springframework.security.oauth2.jwt.JwtClaimValidator;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtIssuerValidator;
import org.springframework.security.oauth2.jwt.JwtTimestampValidator;
import org.springframework.security.oauth2.jwt.JwtTypeValidator;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** An API that Spring Security protects as a resource server (docs/verifiers.md). */
@SpringBootApplication
@RestController
public class Users {

    @GetMapping("/users")
    Map<String, Object> users(@AuthenticationPrincipal Jwt token) {
        return Map.of("users", List.of("zoe"), "asked_by", token.getClaimAsString("client_id"));
    }

    @Bean
    SecurityFilterChain security(HttpSecurity http) throws Exception {
        return http
                .authorizeHttpRequests(each -> each
                        .requestMatchers("/users").hasAuthority("SCOPE_read:users")
                        .anyRequest().denyAll())
                .oauth2ResourceServer(server -> server.jwt(Customizer.withDefaults()))
                .build();
    }

    /** Spring's own decoder takes `typ` `JWT` alone; access tokens of RFC 9068 have `at+jwt`. */
    @Bean
    JwtDecoder decoder(@Value("${ISSUER}") String issuer, @Value("${AUDIENCE}") String audience) {
        NimbusJwtDecoder decoder = NimbusJwtDecoder.withIssuerLocation(issuer).build();
        decoder.setJwtValidator(new DelegatingOAuth2TokenValidator<>(
                new JwtTypeValidator("at+jwt", "application/at+jwt"),
                new JwtTimestampValidator(),
                new JwtClaimValidator<Object>(JwtClaimNames.EXP, Objects::nonNull),
                new JwtClaimValidator<Object>("client_id", Objects::nonNull),
                new JwtIssuerValidator(issuer),
                new JwtAudienceValidator(audience)));
        return decoder;
    }

    public static void main(String[] arguments) {
        SpringApplication.run(Users.class, arguments);
    }
}
