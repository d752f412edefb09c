"""GLSL of the renderer. Version 3.3, so that software and hardware OpenGL both take it.

Clip space is built from OpenCV intrinsics with v growing downwards, so row 0 of every read-back image is the top row.
"""

from __future__ import annotations

GEOMETRY_VERTEX = """
#version 330
uniform mat4 optical_from_world;
uniform mat4 world_from_own;
uniform mat3 world_normal_from_own;
uniform vec4 lens;        // 2fx/W, 2fy/H, 2(cx+.5)/W - 1, 2(cy+.5)/H - 1
uniform vec2 clip_range;  // near, far
in vec3 in_position;
in vec3 in_normal;
out vec3 optical_position;
out vec3 optical_normal;

void main() {
    vec3 p = (optical_from_world * (world_from_own * vec4(in_position, 1.0))).xyz;
    optical_position = p;
    optical_normal = mat3(optical_from_world) * (world_normal_from_own * in_normal);
    float n = clip_range.x, f = clip_range.y;
    vec2 xy = lens.xy * p.xy + lens.zw * p.z;
    gl_Position = vec4(xy, ((f + n) * p.z - 2.0 * f * n) / (f - n), p.z);
}
"""

GEOMETRY_FRAGMENT = """
#version 330
uniform float object_id;
in vec3 optical_position;
in vec3 optical_normal;
out vec4 depth_id_normal;

void main() {
    vec3 n = normalize(optical_normal);
    if (dot(n, optical_position) > 0.0) n = -n;  // two-sided
    depth_id_normal = vec4(optical_position.z, object_id, n.xy);
}
"""

COLOUR_VERTEX = """
#version 330
uniform mat4 optical_from_world;
uniform mat4 world_from_own;
uniform mat3 world_normal_from_own;
uniform vec4 lens;
uniform vec2 clip_range;
in vec3 in_position;
in vec3 in_normal;
in vec3 in_colour;
in vec3 in_uv;
out vec3 world_position;
out vec3 world_normal;
out vec3 colour;
out vec3 uv;

void main() {
    vec4 world = world_from_own * vec4(in_position, 1.0);
    vec3 p = (optical_from_world * world).xyz;
    world_position = world.xyz;
    world_normal = world_normal_from_own * in_normal;
    colour = in_colour;
    uv = in_uv;
    float n = clip_range.x, f = clip_range.y;
    vec2 xy = lens.xy * p.xy + lens.zw * p.z;
    gl_Position = vec4(xy, ((f + n) * p.z - 2.0 * f * n) / (f - n), p.z);
}
"""

COLOUR_FRAGMENT = """
#version 330
const int MAX_LIGHTS = 4;
uniform vec3 eye;
uniform vec3 tint;
uniform vec4 flat_colour;          // rgb, w = 1: replaces colours and textures
uniform vec2 gloss;                // strength, exponent
uniform sampler2DArray textures;
uniform vec3 sky;                  // light from above
uniform vec3 ground;               // light from below
uniform int light_count;
uniform vec3 light_place[MAX_LIGHTS];
uniform vec3 light_colour[MAX_LIGHTS];
uniform mat4 shadow_from_world;
uniform vec4 shadow_look;          // softness in texture units, normal offset in metres, depth bias, strength
uniform sampler2DShadow shadow_map;
uniform sampler2D lamps_seen;      // what further_shadows_fragment found for the other lights
uniform int samples;               // side of a pixel, in samples
in vec3 world_position;
in vec3 world_normal;
in vec3 colour;
in vec3 uv;                        // z: layer of the texture, below 0: none
out vec4 pixel;

// Five taps a sample; the four samples of a pixel turn the pattern by 22.5 degrees each, so that a pixel
// averages twenty different taps without any visible noise.
float lit(vec3 n) {
    vec3 p = world_position + n * shadow_look.y;
    vec4 s = shadow_from_world * vec4(p, 1.0);
    if (s.w <= 0.0) return 1.0;
    vec3 t = s.xyz / s.w * 0.5 + 0.5;
    if (any(lessThan(t.xy, vec2(0.0))) || any(greaterThan(t.xy, vec2(1.0))) || t.z >= 1.0) return 1.0;
    t.z -= shadow_look.z;
    ivec2 odd = ivec2(gl_FragCoord.xy) & 1;
    vec2 turn = odd.x == 0 ? (odd.y == 0 ? vec2(1.0, 0.0) : vec2(0.7071, 0.7071))
                           : (odd.y == 0 ? vec2(0.9239, 0.3827) : vec2(0.3827, 0.9239));
    vec2 a = turn * shadow_look.x;
    vec2 b = vec2(-a.y, a.x);
    float sum = texture(shadow_map, t);
    sum += texture(shadow_map, vec3(t.xy + a, t.z));
    sum += texture(shadow_map, vec3(t.xy - 0.7 * a, t.z));
    sum += texture(shadow_map, vec3(t.xy + 0.85 * b, t.z));
    sum += texture(shadow_map, vec3(t.xy - 0.55 * b, t.z));
    return mix(1.0, sum * 0.2, shadow_look.w);
}

void main() {
    vec3 n = normalize(world_normal);
    vec3 to_eye = normalize(eye - world_position);
    if (dot(n, to_eye) < 0.0) n = -n;
    vec3 albedo = colour;
    if (uv.z > -0.5) albedo = texture(textures, uv).rgb;
    albedo = min(mix(albedo, flat_colour.rgb, flat_colour.w) * tint, vec3(1.0));
    albedo *= albedo;                                // display values to light, roughly
    vec3 diffuse = mix(ground, sky, n.z * 0.5 + 0.5);
    vec3 shine = vec3(0.0);
    vec3 seen = texelFetch(lamps_seen, ivec2(gl_FragCoord.xy) / samples, 0).rgb;
    for (int i = 0; i < light_count; i++) {
        vec3 d = light_place[i] - world_position;
        float square = dot(d, d);
        vec3 l = d * inversesqrt(square);
        float facing = dot(n, l);
        if (facing <= 0.0) continue;
        float power = 2.5 / (1.0 + 0.375 * square);  // 1 at two metres, softer than nature: walls reflect
        if (i == 0) power *= lit(n);
        else power *= seen[i - 1];
        diffuse += light_colour[i] * (facing * power);
        if (gloss.x > 0.0) {
            float h = max(dot(n, normalize(l + to_eye)), 0.0);
            shine += light_colour[i] * (gloss.x * pow(h, gloss.y) * facing * power);
        }
    }
    vec3 light = albedo * diffuse + shine;
    light = light * (1.0 + light * 0.12) / (1.0 + light * 0.55);  // soft shoulder for highlights
    pixel = vec4(sqrt(clamp(light, 0.0, 1.0)), 1.0);
}
"""

SHADOW_VERTEX = """
#version 330
uniform mat4 shadow_from_world;
uniform mat4 world_from_own;
in vec3 in_position;

void main() {
    gl_Position = shadow_from_world * (world_from_own * vec4(in_position, 1.0));
}
"""

SHADOW_FRAGMENT = """
#version 330
void main() {}
"""

SCREEN_VERTEX = """
#version 330
in vec2 in_corner;
void main() { gl_Position = vec4(in_corner, 0.0, 1.0); }
"""


def further_shadows_fragment(lamps: int) -> str:
    """Shader of the share of the light of 1 to 3 weaker lamps that reaches the surface at a pixel's centre.

    Once a pixel and not once a sample, and a program for each number of lamps: a shadow map is the dearest thing that
    software OpenGL looks up, and it looks up both sides of an "if".
    """
    maps = "".join(f"uniform sampler2DShadow further_map_{k};\n" for k in range(lamps))
    looked_up = "".join(f"    seen[light[{k}] - 1] = lit(further_map_{k}, {k}, place, n);\n" for k in range(lamps))
    return f"#version 330\nconst int LAMPS = {lamps};\n{maps}{_FURTHER_SHADOWS}{looked_up}}}\n"


_FURTHER_SHADOWS = """
uniform sampler2D geometry;
uniform vec4 unproject;                // 1/fx, 1/fy, cx, cy
uniform mat4 world_from_optical;
uniform int light[LAMPS];              // 1 to 3: the lamp's place among the lights
uniform mat4 shadow_from_world[LAMPS];
uniform vec4 shadow_look[LAMPS];       // as in the colour shader
out vec4 seen;

// The centre and four places around it, the same for every pixel: the map's own filter smooths between them.
float lit(sampler2DShadow map, int k, vec3 place, vec3 n) {
    vec4 look = shadow_look[k];
    vec4 s = shadow_from_world[k] * vec4(place + n * look.y, 1.0);
    if (s.w <= 0.0) return 1.0;
    vec3 t = s.xyz / s.w * 0.5 + 0.5;
    if (any(lessThan(t.xy, vec2(0.0))) || any(greaterThan(t.xy, vec2(1.0))) || t.z >= 1.0) return 1.0;
    t.z -= look.z;
    float sum = texture(map, t);
    sum += texture(map, vec3(t.xy + vec2(0.8, 0.35) * look.x, t.z));
    sum += texture(map, vec3(t.xy - vec2(0.8, 0.35) * look.x, t.z));
    sum += texture(map, vec3(t.xy + vec2(-0.35, 0.8) * look.x, t.z));
    sum += texture(map, vec3(t.xy - vec2(-0.35, 0.8) * look.x, t.z));
    return mix(1.0, sum * 0.2, look.w);
}

void main() {
    ivec2 at = ivec2(gl_FragCoord.xy);
    vec4 g = texelFetch(geometry, at, 0);
    seen = vec4(1.0);
    if (g.x <= 0.0) return;
    vec3 p = vec3((vec2(at) - unproject.zw) * unproject.xy * g.x, g.x);
    vec3 n = vec3(g.zw, -sqrt(max(0.0, 1.0 - dot(g.zw, g.zw))));
    if (dot(n, p) > 0.0) n.z = -n.z;
    vec3 place = (world_from_optical * vec4(p, 1.0)).xyz;
    n = mat3(world_from_optical) * n;
"""

OCCLUSION_FRAGMENT = """
#version 330
// How much nearby surfaces close a point in: the estimator of McGuire et al., "The Alchemy Screen-Space Ambient
// Obscurance Algorithm" (2011), eight samples on a spiral turned in a 2 x 2 pattern that the compositor averages.
uniform sampler2D geometry;
uniform vec4 unproject;   // 1/fx, 1/fy, cx, cy
uniform vec2 reach;       // radius in metres, focal length in pixels
out float open;

vec3 place(ivec2 at, float depth) {
    return vec3((vec2(at) - unproject.zw) * unproject.xy * depth, depth);
}

void main() {
    ivec2 at = ivec2(gl_FragCoord.xy);
    vec4 g = texelFetch(geometry, at, 0);
    open = 1.0;
    if (g.x <= 0.0) return;
    vec3 p = place(at, g.x);
    vec3 n = vec3(g.zw, -sqrt(max(0.0, 1.0 - dot(g.zw, g.zw))));
    if (dot(n, p) > 0.0) n.z = -n.z;
    float radius = clamp(reach.x * reach.y / g.x, 2.0, 28.0);
    ivec2 last = textureSize(geometry, 0) - 1;
    float turn = float((at.x & 1) + 2 * (at.y & 1)) * 1.5708;
    float closed = 0.0;
    for (int i = 0; i < 8; i++) {
        float angle = float(i) * 2.39996 + turn;
        vec2 offset = vec2(cos(angle), sin(angle)) * (radius * (float(i) + 0.7) / 8.0);
        ivec2 there = clamp(at + ivec2(round(offset)), ivec2(0), last);
        vec3 v = place(there, texelFetch(geometry, there, 0).x) - p;
        float square = dot(v, v);
        float fade = max(0.0, 1.0 - square / (reach.x * reach.x));
        closed += fade * max(0.0, dot(v, n) - 0.008 * g.x) / (square + 0.0008);
    }
    open = max(0.0, 1.0 - closed * reach.x * 0.11);
}
"""

COMPOSE_FRAGMENT = """
#version 330
// Averages the samples of a pixel and darkens it by the occlusion of its 4 x 4 neighbourhood at the same depth.
uniform sampler2D fine;
uniform sampler2D geometry;
uniform sampler2D occlusion;
uniform int samples;
uniform float occlusion_strength;
out vec4 pixel;

void main() {
    ivec2 at = ivec2(gl_FragCoord.xy);
    vec3 sum = vec3(0.0);
    for (int y = 0; y < samples; y++)
        for (int x = 0; x < samples; x++) sum += texelFetch(fine, at * samples + ivec2(x, y), 0).rgb;
    sum /= float(samples * samples);
    if (occlusion_strength > 0.0) {
        ivec2 last = textureSize(geometry, 0) - 1;
        float depth = texelFetch(geometry, at, 0).x;
        float open = 0.0, weight = 0.0;
        for (int y = -1; y <= 2; y++)
            for (int x = -1; x <= 2; x++) {
                ivec2 there = clamp(at + ivec2(x, y), ivec2(0), last);
                float w = abs(texelFetch(geometry, there, 0).x - depth) < 0.04 * depth ? 1.0 : 0.0001;
                open += w * texelFetch(occlusion, there, 0).x;
                weight += w;
            }
        sum *= mix(1.0, sqrt(open / weight), occlusion_strength);
    }
    pixel = vec4(sum, 1.0);
}
"""
