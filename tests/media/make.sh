#!/usr/bin/env bash
# Makes the media files of this folder anew, each with the encoder a phone or a web page would use.
#
# Everything is drawn, sung or spoken here: no file comes from elsewhere. The same tools give the
# same bytes; other versions of them give other bytes of the same kind.
#
# Debian: ffmpeg imagemagick webp sox espeak-ng librsvg2-bin fonts-dejavu-core
#         gstreamer1.0-tools gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly (for AMR)
# Usage: tests/media/make.sh [FOLDER]    (default: the folder of this script)
set -euo pipefail
export LC_ALL=C SOURCE_DATE_EPOCH=1750000000 TZ=UTC

out=$(cd "${1:-$(dirname "$0")}" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# ridge BASE HEIGHT PHASE: a mountain line across 1280 pixels, as the points of an SVG polygon.
ridge() {
    awk -v base="$1" -v height="$2" -v phase="$3" 'BEGIN {
        printf "0,900 "
        for (x = 0; x <= 1280; x += 4) {
            y = 0; amplitude = 1; frequency = 0.0045
            for (octave = 0; octave < 7; octave++) {
                y += amplitude * (1 - 2 * abs(sin(frequency * x + phase * (octave + 1))))
                amplitude *= 0.47; frequency *= 2.13
            }
            printf "%d,%.1f ", x, base - height * y / 2
        }
        print "1280,900"
    }
    function abs(v) { return v < 0 ? -v : v }'
}

# landscape SUN_Y: hills before a low sun, drawn at 1280 x 480.
landscape() {
    cat <<SVG
<svg xmlns="http://www.w3.org/2000/svg" width="1280" height="480" viewBox="0 0 1280 480">
  <defs>
    <linearGradient id="sky" x1="0" y1="0" x2="0" y2="1">
      <stop offset="0" stop-color="#24376b"/><stop offset="0.45" stop-color="#9a6a94"/>
      <stop offset="0.75" stop-color="#f2a86f"/><stop offset="1" stop-color="#ffe0a0"/>
    </linearGradient>
    <radialGradient id="glow">
      <stop offset="0" stop-color="#fff6d8"/><stop offset="0.12" stop-color="#ffe9a8"/>
      <stop offset="0.16" stop-color="#ffd98a" stop-opacity="0.55"/><stop offset="1" stop-color="#ffc070" stop-opacity="0"/>
    </radialGradient>
  </defs>
  <rect width="1280" height="480" fill="url(#sky)"/>
  <circle cx="820" cy="$1" r="300" fill="url(#glow)"/>
  <polygon fill="#a98aa6" points="$(ridge 330 110 0.7)"/>
  <polygon fill="#75688f" points="$(ridge 370 95 2.1)"/>
  <polygon fill="#4a4c72" points="$(ridge 420 80 3.6)"/>
  <polygon fill="#262f4d" points="$(ridge 465 55 5.2)"/>
</svg>
SVG
}

# Landscape above, its rippled mirror image below, and the grain of a small sensor.
photo() {
    landscape 300 >"$tmp/land.svg"
    rsvg-convert "$tmp/land.svg" -o "$tmp/land.png"
    convert "$tmp/land.png" -flip -modulate 82,90 -wave 3x23 -shave 0x6 -motion-blur 0x6+0 \
        -gravity north -crop 1280x380+0+0 +repage "$tmp/lake.png"
    convert "$tmp/land.png" "$tmp/lake.png" -append -alpha off -seed 7 -attenuate 0.16 +noise Gaussian "$tmp/photo.png"
}

jpeg() {
    convert "$tmp/photo.png" -strip -sampling-factor 4:2:0 -interlace JPEG -quality 80 "$out/lake.jpg"
}

png() {
    cat >"$tmp/map.svg" <<SVG
<svg xmlns="http://www.w3.org/2000/svg" width="720" height="960" viewBox="0 0 720 960" font-family="DejaVu Sans">
  <rect width="720" height="960" fill="#eef0e4"/>
  <path d="M0 610 C140 560 210 700 360 640 S600 560 720 620 L720 800 C560 760 420 850 280 800 S90 760 0 800Z" fill="#a9d3e8"/>
  <path d="M40 90 h230 v190 h-230z M450 380 q120 -60 200 30 t-60 140 t-140 -170z" fill="#c5e1b0"/>
  <g stroke="#ffffff" stroke-width="16" fill="none">
    <path d="M0 330 H720 M320 0 V960 M0 520 L720 450 M540 0 C560 240 470 420 560 960"/>
    <path d="M110 0 V600 M0 180 L720 210 M0 880 H720" stroke-width="9"/>
  </g>
  <g fill="#d9d4c6"><path d="M350 40h70v80h-70zM440 40h60v120h-60zM350 140h70v40h-70zM140 350h70v60h-70zM230 350h60v110h-60zM350 360h80v60h-80zM600 60h70v110h-70z"/></g>
  <path d="M320 905 V330 H110 V185" fill="none" stroke="#3367d6" stroke-width="11" stroke-linejoin="round" stroke-dasharray="2 18" stroke-linecap="round"/>
  <circle cx="320" cy="905" r="15" fill="#3367d6" stroke="#fff" stroke-width="5"/>
  <path d="M110 185 c-46 -62 -34 -104 0 -104 s46 42 0 104z" fill="#d93025"/><circle cx="110" cy="118" r="13" fill="#fff"/>
  <g font-size="20" fill="#5b6b52"><text x="120" y="262">Rose Garden</text><text x="500" y="460">Mill Park</text></g>
  <text x="450" y="715" font-size="22" font-style="italic" fill="#3d7896">River Wren</text>
  <g font-size="17" fill="#7d7a70"><text x="340" y="325">Station Road</text><text x="20" y="874">Quay Street</text></g>
  <rect x="400" y="850" width="296" height="86" rx="14" fill="#fff"/>
  <text x="422" y="888" font-size="24" fill="#202124">14 min on foot</text><text x="422" y="918" font-size="18" fill="#5f6368">1.1 km, by Station Road</text>
</svg>
SVG
    rsvg-convert "$tmp/map.svg" -o "$tmp/map.png"
    convert "$tmp/map.png" -strip -define png:compression-level=9 "$out/map.png"
}

gif() {
    local frame y
    for frame in $(seq 0 15); do
        y=$((430 - frame * 15))
        landscape "$y" | rsvg-convert -w 320 -o "$tmp/dawn-$(printf %02d "$frame").png"
    done
    ffmpeg -nostdin -v error -y -framerate 8 -i "$tmp/dawn-%02d.png" -bitexact \
        -filter_complex 'split[a][b];[a]palettegen=max_colors=48[p];[b][p]paletteuse=dither=bayer:bayer_scale=4' \
        -loop 0 "$out/dawn.gif"
}

webp() {
    cat >"$tmp/sticker.svg" <<SVG
<svg xmlns="http://www.w3.org/2000/svg" width="512" height="512" viewBox="0 0 512 512">
  <defs><radialGradient id="face" cx="0.4" cy="0.35"><stop offset="0" stop-color="#ffe66d"/><stop offset="1" stop-color="#f4a11d"/></radialGradient></defs>
  <circle cx="256" cy="262" r="222" fill="#fff"/><circle cx="256" cy="262" r="204" fill="url(#face)"/>
  <path d="M150 300 q106 150 212 0 q-106 44 -212 0z" fill="#6b2d12"/><path d="M190 344 q66 52 132 0 q-66 -30 -132 0z" fill="#f0566b"/>
  <path d="M140 220 q34 -52 68 0 M304 220 q34 -52 68 0" fill="none" stroke="#6b2d12" stroke-width="20" stroke-linecap="round"/>
  <ellipse cx="120" cy="290" rx="36" ry="22" fill="#ff7b54" opacity="0.5"/><ellipse cx="392" cy="290" rx="36" ry="22" fill="#ff7b54" opacity="0.5"/>
</svg>
SVG
    rsvg-convert "$tmp/sticker.svg" -o "$tmp/sticker.png"
    cwebp -quiet -q 82 -alpha_q 90 -m 6 "$tmp/sticker.png" -o "$out/sticker.webp"
}

# A small tune on plucked strings, in stereo, with the echo of a room.
tune() {
    local note at=0 strings=()
    for note in G3 D4 G4 B4 D5 B4 G4 D4 C3 E4 G4 C5 E5 G4 D3 A3 F#4 A4 D5 F#4 G3 G5; do
        sox -R -n -r 44100 -c 1 "$tmp/note-$at.wav" synth 1.8 pluck "$note" fade h 0 1.8 0.6 delay "$(awk "BEGIN { print $at * 0.26 }")"
        strings+=("$tmp/note-$at.wav")
        at=$((at + 1))
    done
    sox -R -m "${strings[@]}" "$tmp/tune.wav" remix 1 1 reverb 35 norm -2
}

mp3() {
    ffmpeg -nostdin -v error -y -i "$tmp/tune.wav" -map_metadata -1 -metadata title='Seven strings' \
        -c:a libmp3lame -b:a 80k -id3v2_version 3 -flags +bitexact "$out/tune.mp3"
}

# speak FILE TEXT: a voice, as a telephone's microphone would leave it.
speak() {
    espeak-ng -v en-gb -s 150 -w "$tmp/voice.wav" "$2"
    sox -R "$tmp/voice.wav" "$1" highpass 120 norm -3
}

amr() {
    speak "$tmp/late.wav" 'Hi, it is Ada. The train is ten minutes late. I will meet you by the rose garden.'
    sox -R "$tmp/late.wav" -r 8000 -c 1 -b 16 "$tmp/late-8k.wav"
    # Not by sox: it leaves out pauses (DTX), which not every player follows.
    gst-launch-1.0 -q filesrc location="$tmp/late-8k.wav" ! wavparse ! amrnbenc band-mode=7 ! filesink location="$tmp/late.frames"
    { printf '#!AMR\n' && cat "$tmp/late.frames"; } >"$out/late.amr"
}

ogg() {
    speak "$tmp/thanks.wav" 'Thank you for the pictures of the lake! Shall we go again on Sunday? Bring the good camera.'
    ffmpeg -nostdin -v error -y -i "$tmp/thanks.wav" -map_metadata -1 -bitexact \
        -c:a libopus -b:a 24k -application voip "$out/thanks.ogg"
}

# The camera moves along the lake while the tune plays.
mp4() {
    ffmpeg -nostdin -v error -y -loop 1 -framerate 24 -i "$tmp/photo.png" -i "$tmp/tune.wav" -t 5 \
        -filter_complex "[0:v]crop=860:484:'420*(1-cos(PI*t/5))/2':200,scale=480:270,format=yuv420p[v]" \
        -map '[v]' -map 1:a -map_metadata -1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact \
        -c:v libx264 -threads 1 -profile:v main -preset slow -crf 27 -c:a aac -b:a 64k -ac 1 -movflags +faststart "$out/clip.mp4"
}

# page TEXT...: one A4 page with a heading and the lines given.
page() {
    local heading=$1 y=230 line
    shift
    printf '<svg xmlns="http://www.w3.org/2000/svg" width="210mm" height="297mm" viewBox="0 0 595 842" font-family="DejaVu Serif">'
    printf '<rect width="595" height="842" fill="#fff"/><rect width="595" height="110" fill="#262f4d"/><polygon fill="#f2a86f" points="0,110 150,60 240,92 380,40 595,110"/>'
    printf '<text x="60" y="175" font-size="26" fill="#262f4d">%s</text>' "$heading"
    for line in "$@"; do
        printf '<text x="60" y="%d" font-size="13" fill="#333">%s</text>' "$y" "$line"
        y=$((y + 26))
    done
    printf '<line x1="60" y1="780" x2="535" y2="780" stroke="#ccc"/></svg>\n'
}

pdf() {
    page 'Lakeside weekend' 'Booking 4471 for Ada and Sam, two nights' 'Friday 18:05 train to Millbrook, coach C, seats 21 and 22' \
        'Friday 20:40 key at the boat house, the code comes by message' 'Saturday 09:30 rowing boat, two hours' \
        'Saturday 13:00 lunch at the mill' 'Sunday 11:15 walk to the rose garden, 1.1 km' 'Sunday 16:20 train home' >"$tmp/page-1.svg"
    page 'What to bring' 'Rain coat and good shoes' 'The good camera, and a charged battery for it' 'A swimsuit, if you are brave' \
        'Paid in full: two nights 164.00, boat 18.00, total 182.00' 'Questions? Write to stay@lakeside.example' >"$tmp/page-2.svg"
    rsvg-convert -f pdf -o "$out/booking.pdf" "$tmp/page-1.svg" "$tmp/page-2.svg"
}

# vCard 3.0 (RFC 2426): CRLF line ends, lines folded at 75 octets, the portrait inline in base64.
vcf() {
    convert "$tmp/sticker.png" -background '#a9d3e8' -flatten -resize 96x96 -strip -quality 75 "$tmp/portrait.jpg"
    {
        printf '%s\n' 'BEGIN:VCARD' 'VERSION:3.0' 'N:Lindqvist;Ada;;;' 'FN:Ada Lindqvist' 'ORG:Lakeside Boats' \
            'TEL;TYPE=CELL,VOICE:+1-202-555-0143' 'EMAIL;TYPE=INTERNET:ada@lakeside.example' \
            'ADR;TYPE=WORK:;;2 Quay Street;Millbrook;;00000;' 'URL:https://lakeside.example/' 'REV:2025-06-15T15:06:40Z'
        printf 'PHOTO;ENCODING=b;TYPE=JPEG:%s\n' "$(base64 -w 0 "$tmp/portrait.jpg")" | awk '{
            print substr($0, 1, 75)
            for (at = 76; at <= length($0); at += 74) print " " substr($0, at, 74)
        }'
        printf '%s\n' 'END:VCARD'
    } | sed 's/$/\r/' >"$out/ada.vcf"
}

photo; tune
jpeg; png; gif; webp; mp3; amr; ogg; mp4; pdf; vcf
