#!/bin/sh
# The media work of "Podcast to shorts", by ffmpeg commands as one would write them by hand: one after the other, no
# database, no wall, no checks of who may read what. What `npm run bench -- media` holds the product against.
#
#   FFMPEG=… FFPROBE=… NODE=… DETECT=… sh bench/media-bare.sh RECORDING FOLDER
#
# FOLDER holds clips.txt (a line each: id start duration, in seconds), the captions of each clip as ID.ass, the fonts
# they use in fonts/, and title.ttf. Every output of the product is made: the cleaned recording, a vertical clip with
# captions and a picture for each of three sizes per segment. Analysis passes are included: loudness before and after,
# small frames in which people and cuts are looked for, brightness under the captions, candidate stills. People are found
# by the same models as in the product (DETECT: bench/by-hand/detect.ts), for no filter of ffmpeg does that.
set -eu
recording=$(realpath "$1")
cd "$2"
quiet='-nostdin -hide_banner -v error -y'
measured='-nostdin -hide_banner -y'

# the integrated loudness that ebur128 wrote to a file, LUFS
loudness() { sed -n 's/^ *I: *\(-\{0,1\}[0-9.]*\) LUFS/\1/p' "$1" | tail -n 1; }

# Ingest: facts and wave
"$FFPROBE" -v error -print_format json -show_format -show_streams "$recording" > facts.json
"$FFMPEG" $quiet -i "$recording" -vn -ac 1 -ar 8000 -f s16le wave.raw

# Clean audio: measure, bring to −14 LUFS, measure again
"$FFMPEG" $measured -i "$recording" -map 0:a:0 -af ebur128=peak=true:framelog=verbose -f null - 2> clean.log
gain=$(awk -v is="$(loudness clean.log)" 'BEGIN { printf "%.2f", -14 - is }')
"$FFMPEG" $quiet -i "$recording" -map 0:v:0 -map 0:a:0 -c:v copy -af "volume=${gain}dB,aresample=48000" -ac 2 \
  -c:a aac -b:a 192k -sn -movflags +faststart clean.mp4
"$FFMPEG" $measured -i clean.mp4 -map 0:a:0 -af ebur128=peak=true:framelog=verbose -f null - 2> cleaned.log

# Clip and Thumbnail: small frames, and the people in them
while read -r id start duration; do
  "$FFMPEG" $quiet -ss "$start" -t "$duration" -i clean.mp4 -an -vf \
    "scale=384:216:flags=area,select='gte(scene,0)',metadata=print:file=$id.scores,select='isnan(prev_selected_t)+gte(t-prev_selected_t,0.33)',format=rgb24" \
    -vsync 0 -f rawvideo "$id.bodies"
  step=$(awk -v d="$duration" 'BEGIN { printf "%.3f", d / 24 }')
  "$FFMPEG" $quiet -ss "$start" -t "$duration" -i clean.mp4 -an -vf \
    "scale=384:216:flags=area,select='isnan(prev_selected_t)+gte(t-prev_selected_t,$step)',format=rgb24" \
    -vsync 0 -f rawvideo "$id.faces"
done < clips.txt
"$NODE" "$DETECT" 384 216 *.bodies *.faces > people.jsonl

while read -r id start duration; do
  # Clip: brightness under the captions, and loudness
  "$FFMPEG" $measured -ss "$start" -t "$duration" -i clean.mp4 -filter_complex \
    "[0:v:0]fps=2,crop=404:720,scale=54:96:flags=area,format=rgb24[look];[0:a:0]ebur128=peak=true:framelog=verbose[heard]" \
    -map '[look]' -f rawvideo "$id.look" -map '[heard]' -f null - 2> "$id.log"
  gain=$(awk -v is="$(loudness "$id.log")" 'BEGIN { printf "%.2f", -14 - is }')
  # the clip itself
  "$FFMPEG" $quiet -ss "$start" -t "$duration" -i clean.mp4 -f lavfi -i \
    "color=c=black:s=1080x911:r=25:d=0.04,format=yuva420p,geq=lum=16:cb=128:cr=128:a='255*0.44*pow(min(1,Y/269),2)*(3-2*min(1,Y/269))'" \
    -filter_complex "[0:v:0]fps=30,setsar=1,crop=404:720,scale=1080:1920:flags=bicubic,setsar=1,format=yuv420p[bare];[bare][1:v]overlay=0:1009:eof_action=repeat:format=yuv420,ass=$id.ass:fontsdir=fonts,format=yuv420p[picture];[0:a:0]aformat=channel_layouts=stereo,aresample=48000,volume=${gain}dB[sound]" \
    -map '[picture]' -map '[sound]' -t "$duration" \
    -c:v libx264 -preset veryfast -crf 20 -maxrate 12M -bufsize 24M -profile:v high -g 60 \
    -c:a aac -b:a 160k -ar 48000 -ac 2 -sn -movflags +faststart "$id.mp4"
  "$FFMPEG" $measured -i "$id.mp4" -map 0:a:0 -af ebur128=peak=true:framelog=verbose -f null - 2> "$id.after.log"

  # Thumbnail: the three best stills in full, one of them as a picture with a title in three sizes
  for share in 0.2 0.5 0.8; do
    at=$(awk -v s="$start" -v d="$duration" -v p="$share" 'BEGIN { printf "%.3f", s + d * p }')
    "$FFMPEG" $quiet -ss "$at" -i clean.mp4 -an -frames:v 1 -c:v mjpeg -q:v 2 "$id.$share.jpg"
  done
  for size in 1280:720 1080:1080 1080:1920; do
    "$FFMPEG" $quiet -i "$id.0.5.jpg" -frames:v 1 -vf \
      "scale=$size:force_original_aspect_ratio=increase,crop=$size,drawbox=y=ih*0.7:h=ih*0.3:color=black@0.6:t=fill,drawtext=fontfile=title.ttf:text='A title of this clip':fontsize=64:fontcolor=white:x=48:y=h*0.78" \
      -c:v mjpeg -q:v 2 "$id.$(echo "$size" | tr : x).jpg"
  done
done < clips.txt
