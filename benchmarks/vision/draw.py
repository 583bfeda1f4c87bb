"""Draws the images of this benchmark and writes its rows: `python benchmarks/vision/draw.py`.

Standard library alone. Every target is known by construction: what is drawn is what is asked for.
The same bytes come out every time with the same zlib; the card holds the hash of the rows.
"""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
WIDTH, HEIGHT = 256, 192
COLOURS = {
    "white": (255, 255, 255), "black": (0, 0, 0), "red": (214, 39, 40), "green": (44, 160, 44),
    "blue": (31, 90, 200), "yellow": (250, 210, 30), "purple": (140, 60, 170), "orange": (255, 127, 14),
    "grey": (150, 150, 150),
}  # fmt: skip
# Five columns and seven rows a letter, a row a number whose bits are pixels.
FONT = {
    "0": (14, 17, 19, 21, 25, 17, 14), "1": (4, 12, 4, 4, 4, 4, 14), "2": (14, 17, 1, 2, 4, 8, 31),
    "3": (31, 2, 4, 2, 1, 17, 14), "4": (2, 6, 10, 18, 31, 2, 2), "5": (31, 16, 30, 1, 1, 17, 14),
    "6": (6, 8, 16, 30, 17, 17, 14), "7": (31, 1, 2, 4, 8, 8, 8), "8": (14, 17, 17, 14, 17, 17, 14),
    "9": (14, 17, 17, 15, 1, 2, 12), "A": (14, 17, 17, 31, 17, 17, 17), "B": (30, 17, 17, 30, 17, 17, 30),
    "C": (14, 17, 16, 16, 16, 17, 14), "D": (28, 18, 17, 17, 17, 18, 28), "E": (31, 16, 16, 30, 16, 16, 31),
    "I": (14, 4, 4, 4, 4, 4, 14),
    "H": (17, 17, 17, 31, 17, 17, 17), "K": (17, 18, 20, 24, 20, 18, 17), "L": (16, 16, 16, 16, 16, 16, 31),
    "N": (17, 17, 25, 21, 19, 17, 17), "O": (14, 17, 17, 17, 17, 17, 14), "P": (30, 17, 17, 30, 16, 16, 16),
    "R": (30, 17, 17, 30, 20, 18, 17), "S": (15, 16, 16, 14, 1, 1, 30), "T": (31, 4, 4, 4, 4, 4, 4),
    "X": (17, 17, 10, 4, 10, 17, 17), "+": (0, 4, 4, 31, 4, 4, 0), "=": (0, 0, 31, 0, 31, 0, 0),
    ":": (0, 12, 12, 0, 12, 12, 0), " ": (0, 0, 0, 0, 0, 0, 0),
}  # fmt: skip


class Canvas:
    """Pixels by number of colour, drawn shape by shape."""

    def __init__(self, ground: str = "white", width: int = WIDTH, height: int = HEIGHT) -> None:
        self.width, self.height = width, height
        self._palette = [ground]
        self._rows = [bytearray(width) for _ in range(height)]

    def dot(self, x: int, y: int, colour: str) -> None:
        if colour not in self._palette:
            self._palette.append(colour)
        if 0 <= x < self.width and 0 <= y < self.height:
            self._rows[y][x] = self._palette.index(colour)

    def rectangle(self, x: int, y: int, width: int, height: int, colour: str) -> Canvas:
        for row in range(y, y + height):
            for column in range(x, x + width):
                self.dot(column, row, colour)
        return self

    def square(self, x: int, y: int, side: int, colour: str) -> Canvas:
        """Centred at (x, y), as circles and triangles are."""
        return self.rectangle(x - side // 2, y - side // 2, side, side, colour)

    def circle(self, x: int, y: int, size: int, colour: str) -> Canvas:
        radius = size // 2
        for row in range(-radius, radius + 1):
            for column in range(-radius, radius + 1):
                if row * row + column * column <= radius * radius:
                    self.dot(x + column, y + row, colour)
        return self

    def triangle(self, x: int, y: int, size: int, colour: str) -> Canvas:
        for row in range(size):
            for column in range(-row // 2, row // 2 + 1):
                self.dot(x + column, y - size // 2 + row, colour)
        return self

    def text(self, x: int, y: int, text: str, colour: str = "black", scale: int = 4) -> Canvas:
        for place, letter in enumerate(text):
            for row, bits in enumerate(FONT[letter]):
                for column in range(5):
                    if bits >> (4 - column) & 1:
                        self.rectangle(
                            x + (place * 6 + column) * scale, y + row * scale, scale, scale, colour
                        )
        return self

    def png(self) -> bytes:
        """A PNG with a palette, 8 bits a pixel."""
        palette = b"".join(bytes(COLOURS[one]) for one in self._palette)
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 3, 0, 0, 0)
        pixels = zlib.compress(b"".join(b"\0" + bytes(row) for row in self._rows), 9)
        chunks = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", pixels), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks
        )


def one(shape: str, colour: str, ground: str = "white") -> Canvas:
    """A lone shape in the middle."""
    canvas = Canvas(ground)
    getattr(canvas, shape)(WIDTH // 2, HEIGHT // 2, 96, colour)
    return canvas


def several(shapes: list[tuple[str, str]]) -> Canvas:
    """Shapes side by side, in up to three rows of four."""
    canvas = Canvas()
    for place, (shape, colour) in enumerate(shapes):
        getattr(canvas, shape)(36 + 60 * (place % 4), 36 + 60 * (place // 4), 40, colour)
    return canvas


def bars(heights: dict[str, int], unit: int = 12) -> Canvas:
    """A bar chart: a letter below each bar, its value above, both in black."""
    canvas = Canvas()
    canvas.rectangle(20, 160, 216, 2, "black")
    for place, ((letter, value), colour) in enumerate(
        zip(heights.items(), ("blue", "orange", "green", "red"), strict=False)
    ):
        x = 30 + place * 54
        canvas.rectangle(x, 160 - value * unit, 34, value * unit, colour)
        canvas.text(x + 11, 168, letter, scale=2)
        canvas.text(x + 11, 160 - value * unit - 18, str(value), scale=2)
    return canvas


def plain(text: str, colour: str = "black", scale: int = 5) -> Canvas:
    """A line of text in the middle."""
    width = (len(text) * 6 - 1) * scale
    return Canvas().text((WIDTH - width) // 2, (HEIGHT - 7 * scale) // 2, text, colour, scale)


def pair(left: tuple[str, str, int], right: tuple[str, str, int]) -> Canvas:
    """Two shapes, each with a colour and a size."""
    canvas = Canvas()
    for x, (shape, colour, size) in zip((72, 184), (left, right), strict=True):
        getattr(canvas, shape)(x, HEIGHT // 2, size, colour)
    return canvas


def dice(pips: list[tuple[int, int]]) -> Canvas:
    """A face of a die, its pips by column and row."""
    canvas = Canvas().square(128, 96, 150, "black").square(128, 96, 142, "white")
    for column, row in pips:
        canvas.circle(84 + 44 * column, 52 + 44 * row, 26, "black")
    return canvas


def grid(coloured: dict[tuple[int, int], str]) -> Canvas:
    """Nine grey squares, some of another colour by column and row."""
    canvas = Canvas()
    for column in range(3):
        for row in range(3):
            colour = coloured.get((column, row), "grey")
            canvas.square(72 + 56 * column, 40 + 56 * row, 44, colour)
    return canvas


ROWS: list[tuple[str, Canvas, list[tuple[str, str, list[str], str]]]] = [
    # picture, what is drawn, and for each question: language, question, targets, category
    ("red-circle", one("circle", "red"), [
        ("en", "What shape is in the picture? Answer with one word.", ["circle", "disc", "disk"], "shape"),
        ("en", "What colour is the shape? Answer with one word.", ["red"], "colour"),
        ("zh", "图中的图形是什么形状？", ["圆形", "圆"], "shape"),
    ]),
    ("blue-square", one("square", "blue"), [
        ("en", "What shape is in the picture? Answer with one word.", ["square"], "shape"),
        ("zh", "图中的图形是什么颜色？", ["蓝色", "蓝"], "colour"),
    ]),
    ("green-triangle", one("triangle", "green"), [
        ("en", "How many corners does the shape have? Answer with a number.", ["3", "three"], "shape"),
        ("en", "What colour is the shape? Answer with one word.", ["green"], "colour"),
    ]),
    ("yellow-on-black", one("circle", "yellow", "black"), [
        ("en", "What colour is the background? Answer with one word.", ["black"], "colour"),
        ("zh", "背景是什么颜色？", ["黑色", "黑"], "colour"),
    ]),
    ("three-circles", several([("circle", "purple")] * 3), [
        ("en", "How many circles are there? Answer with a number.", ["3", "three"], "count"),
    ]),
    ("seven-squares", several([("square", "blue")] * 7), [
        ("en", "How many squares are there? Answer with a number.", ["7", "seven"], "count"),
        ("zh", "图中有几个正方形？只回答数字。", ["7", "七", "七个", "7个"], "count"),
    ]),
    ("mixed", several([("circle", "red"), ("square", "blue"), ("circle", "green"), ("triangle", "red"),
                       ("circle", "red"), ("square", "yellow")]), [
        ("en", "How many circles are there? Answer with a number.", ["3", "three"], "count"),
        ("en", "How many red shapes are there, of any kind? Answer with a number.", ["3", "three"], "count"),
        ("en", "What shape is the yellow one? Answer with one word.", ["square"], "shape"),
        ("zh", "图中有几个三角形？只回答数字。", ["1", "一", "一个", "1个"], "count"),
    ]),
    ("large-and-small", pair(("circle", "orange", 44), ("square", "purple", 110)), [
        ("en", "Which shape is larger, the circle or the square?", ["square", "the square"], "compare"),
        ("en", "What colour is the shape on the left? Answer with one word.", ["orange"], "place"),
    ]),
    ("left-and-right", pair(("triangle", "black", 80), ("circle", "green", 80)), [
        ("en", "Is the circle left or right of the triangle? Answer with one word.", ["right"], "place"),
        ("zh", "右边的图形是什么颜色？", ["绿色", "绿"], "place"),
    ]),
    ("above-and-below", Canvas().square(128, 48, 64, "red").triangle(128, 144, 64, "blue"), [
        ("en", "Which shape is at the top? Answer with one word.", ["square"], "place"),
        ("zh", "三角形在正方形的上面还是下面？", ["下面", "下方"], "place"),
    ]),
    ("bars-abc", bars({"A": 4, "B": 9, "C": 6}), [
        ("en", "Which bar is the highest? Answer with its letter.", ["B"], "chart"),
        ("en", "What value does bar C have? Answer with a number.", ["6", "six"], "chart"),
        ("en", "How much higher is bar B than bar A? Answer with a number.", ["5", "five"], "chart"),
        ("zh", "数值最小的是哪一根柱子？只回答字母。", ["A"], "chart"),
    ]),
    ("bars-hkln", bars({"H": 7, "K": 2, "L": 8, "N": 5}), [
        ("en", "Which bar is the lowest? Answer with its letter.", ["K"], "chart"),
        ("en", "What do bars H and N add up to? Answer with a number.", ["12", "twelve"], "chart"),
        ("en", "How many bars are there? Answer with a number.", ["4", "four"], "count"),
        ("zh", "L的数值是多少？只回答数字。", ["8", "八"], "chart"),
    ]),
    ("number", plain("40729"), [
        ("en", "Which number is written in the picture?", ["40729", "40,729"], "text"),
        ("zh", "图中写的数字是多少？", ["40729"], "text"),
    ]),
    ("word", plain("STATION", "blue"), [
        ("en", "Which word is written in the picture?", ["STATION"], "text"),
        ("en", "What colour are the letters? Answer with one word.", ["blue"], "colour"),
    ]),
    ("sum", plain("3 + 5 ="), [
        ("en", "What is the result of the sum in the picture? Answer with a number.", ["8", "eight"], "text"),
    ]),
    ("time", plain("18:45", "red"), [
        ("en", "What time is shown? Answer as HH:MM.", ["18:45"], "text"),
    ]),
    ("plate", plain("AB 53 KL"), [
        ("en", "Which digits stand between the letters? Answer with the digits.", ["53"], "text"),
        ("zh", "图中一共有几个英文字母？只回答数字。", ["4", "四", "四个", "4个"], "text"),
    ]),
    ("orange-triangle", one("triangle", "orange"), [
        ("zh", "图中的图形是什么形状？", ["三角形"], "shape"),
    ]),
    ("purple-on-yellow", one("square", "purple", "yellow"), [
        ("en", "What colour is the background? Answer with one word.", ["yellow"], "colour"),
    ]),
    ("five-triangles", several([("triangle", "green")] * 5), [
        ("en", "How many triangles are there? Answer with a number.", ["5", "five"], "count"),
    ]),
    ("twelve-circles", several([("circle", "black")] * 12), [
        ("en", "How many circles are there? Answer with a number.", ["12", "twelve"], "count"),
        ("zh", "图中的圆排成几行？只回答数字。", ["3", "三", "三行", "3行"], "count"),
    ]),
    ("stripes", Canvas().rectangle(28, 30, 200, 44, "red").rectangle(28, 74, 200, 44, "yellow")
     .rectangle(28, 118, 200, 44, "blue"), [
        ("en", "What colour is the stripe in the middle? Answer with one word.", ["yellow"], "place"),
        ("zh", "最下面的条纹是什么颜色？", ["蓝色", "蓝"], "place"),
    ]),
    ("dice", dice([(0, 0), (2, 0), (1, 1), (0, 2), (2, 2)]), [
        ("en", "What number does the dice show?", ["5", "five"], "count"),
    ]),
    ("traffic-light", Canvas().rectangle(98, 12, 60, 168, "black").circle(128, 40, 44, "grey")
     .circle(128, 96, 44, "grey").circle(128, 152, 44, "green"), [
        ("en", "Which colour of the traffic light is on? Answer with one word.", ["green"], "colour"),
        ("en", "Is the lit lamp at the top, in the middle or at the bottom? Answer with one word.",
         ["bottom"], "place"),
    ]),
    ("house", Canvas().square(128, 120, 100, "blue").triangle(128, 40, 64, "red")
     .rectangle(116, 130, 24, 40, "black"), [
        ("en", "What simple building do the shapes make? Answer with one word.", ["house"], "shape"),
        ("zh", "屋顶是什么颜色？", ["红色", "红"], "colour"),
    ]),
    ("grid", grid({(2, 0): "red"}), [
        ("en", "In which corner is the red square: top left, top right, bottom left or bottom right?",
         ["top right"], "place"),
        ("en", "How many grey squares are there? Answer with a number.", ["8", "eight"], "count"),
    ]),
    ("castle", plain("CASTLE", "green"), [
        ("en", "Which word is written in the picture?", ["CASTLE"], "text"),
    ]),
    ("year", plain("1606", "purple"), [
        ("en", "Which year is written in the picture?", ["1606"], "text"),
    ]),
    ("sum-of-two", plain("27 + 6 =", scale=4), [
        ("zh", "图中算式的结果是多少？只回答数字。", ["33"], "text"),
    ]),
    ("bars-equal", bars({"E": 5, "D": 5, "C": 1}), [
        ("en", "Which two bars are equally high? Answer with their letters.",
         ["E and D", "D and E", "E, D", "D, E", "ED", "DE"], "chart"),
        ("en", "What do all bars add up to? Answer with a number.", ["11", "eleven"], "chart"),
    ]),
    ("morning", plain("06:30", "blue"), [
        ("en", "What time will it be half an hour later? Answer as HH:MM.", ["07:00", "7:00"], "text"),
    ]),
    ("plate-kt", plain("KT 904", "red"), [
        ("en", "Which letters stand before the digits?", ["KT"], "text"),
    ]),
]  # fmt: skip

CAPTIONS: list[tuple[str, str, list[str]]] = [
    ("red-circle", "en", [
        "A red circle on a white background.", "A single red disc in the middle of a white picture.",
    ]),
    ("blue-square", "en", [
        "A blue square on a white background.", "A single blue square in the middle of a white picture.",
    ]),
    ("green-triangle", "en", [
        "A green triangle on a white background.", "A single green triangle that points upwards, on white.",
    ]),
    ("yellow-on-black", "en", [
        "A yellow circle on a black background.", "A single yellow disc in the middle of a black picture.",
    ]),
    ("three-circles", "en", [
        "Three purple circles in a row on a white background.", "A row of three purple circles at the top.",
    ]),
    ("seven-squares", "en", [
        "Seven blue squares on a white background.", "Seven blue squares in two rows, four above three.",
    ]),
    ("mixed", "en", [
        "Three circles, two squares and a triangle in several colours on a white background.",
        "Six coloured shapes in two rows: circles, squares and a triangle.",
    ]),
    ("large-and-small", "en", [
        "A small orange circle on the left and a large purple square on the right.",
        "A small orange circle beside a large purple square on a white background.",
    ]),
    ("left-and-right", "en", [
        "A black triangle on the left and a green circle on the right.",
        "A black triangle beside a green circle on a white background.",
    ]),
    ("above-and-below", "en", [
        "A red square above a blue triangle.", "A red square at the top and a blue triangle at the bottom.",
    ]),
    ("bars-abc", "en", [
        "A bar chart with three bars: A is 4, B is 9 and C is 6.",
        "A bar chart of the values 4, 9 and 6 for A, B and C.",
    ]),
    ("bars-hkln", "en", [
        "A bar chart with four bars: H is 7, K is 2, L is 8 and N is 5.",
        "A bar chart of the values 7, 2, 8 and 5 for H, K, L and N.",
    ]),
    ("number", "en", [
        "The number 40729 in black on a white background.", "Black digits on white that read 40729.",
    ]),
    ("word", "en", [
        "The word STATION in blue letters on a white background.", "Blue letters on white that read STATION.",
    ]),
    ("time", "en", [
        "The time 18:45 in red digits on a white background.", "Red digits on white that show 18:45.",
    ]),
    ("sum", "en", [
        "The unfinished sum 3 + 5 = in black on a white background.",
        "Black signs on white that read 3 + 5 =.",
    ]),
    ("plate", "en", [
        "The letters and digits AB 53 KL in black on white.", "A line of text that reads AB 53 KL.",
    ]),
    ("orange-triangle", "en", [
        "An orange triangle on a white background.",
        "A single orange triangle that points upwards, on white.",
    ]),
    ("purple-on-yellow", "en", [
        "A purple square on a yellow background.",
        "A single purple square in the middle of a yellow picture.",
    ]),
    ("five-triangles", "en", [
        "Five green triangles on a white background.", "Five green triangles, four in a row and one below.",
    ]),
    ("twelve-circles", "en", [
        "Twelve black circles in three rows on a white background.", "Three rows of four black circles.",
    ]),
    ("stripes", "en", [
        "Three horizontal stripes in red, yellow and blue.", "A flag with a red, a yellow and a blue stripe.",
    ]),
    ("dice", "en", [
        "A face of a die that shows five.", "A white square with a black edge and five black dots.",
    ]),
    ("traffic-light", "en", [
        "A traffic light that shows green.", "A black traffic light whose lowest lamp is lit in green.",
    ]),
    ("house", "en", [
        "A blue house with a red roof and a black door.",
        "A simple house: blue walls, a red roof, a black door.",
    ]),
    ("grid", "en", [
        "Nine squares in a grid, the one at the top right red and the others grey.",
        "A grid of eight grey squares and a red one in the top right corner.",
    ]),
    ("castle", "en", [
        "The word CASTLE in green letters on a white background.", "Green letters on white that read CASTLE.",
    ]),
    ("year", "en", [
        "The number 1606 in purple on a white background.", "Purple digits on white that read 1606.",
    ]),
    ("sum-of-two", "en", [
        "The unfinished sum 27 + 6 = in black on a white background.", "Black signs that read 27 + 6 =.",
    ]),
    ("bars-equal", "en", [
        "A bar chart with three bars: E is 5, D is 5 and C is 1.",
        "A bar chart of the values 5, 5 and 1 for E, D and C.",
    ]),
    ("morning", "en", [
        "The time 06:30 in blue digits on a white background.", "Blue digits on white that show 06:30.",
    ]),
    ("plate-kt", "en", [
        "The letters and digits KT 904 in red on white.", "A line of red text that reads KT 904.",
    ]),
    ("twelve-circles", "zh", ["白色背景上有十二个黑色的圆形，排成三行。", "三行黑色圆形，每行四个。"]),
    ("stripes", "zh", ["红、黄、蓝三条横条纹。", "图中从上到下是红色、黄色和蓝色的条纹。"]),
    ("house", "zh", ["一座蓝色的房子，红色的屋顶，黑色的门。", "图中是一座红顶蓝墙的小房子。"]),
    ("red-circle", "zh", ["白色背景上有一个红色的圆形。", "图片中央有一个红色圆形，背景是白色。"]),
    ("seven-squares", "zh", ["白色背景上有七个蓝色的正方形。", "图中有两排共七个蓝色正方形。"]),
    ("left-and-right", "zh", [
        "左边是黑色的三角形，右边是绿色的圆形。",
        "白色背景上有一个黑色三角形和一个绿色圆形。",
    ]),
    ("bars-abc", "zh", [
        "一幅有三根柱子的柱状图，A是4，B是9，C是6。", "柱状图中A、B、C的数值分别是4、9和6。",
    ]),
    ("word", "zh", ["白色背景上写着蓝色的英文单词STATION。", "图中用蓝色字母写着STATION。"]),
]  # fmt: skip
ASKED = {"en": "Describe the picture in one sentence.", "zh": "用一句话描述这幅图。"}


def rows() -> list[dict[str, Any]]:
    """The samples in order: questions first, then captions."""
    found: list[dict[str, Any]] = []

    def add(picture: str, question: str, target: Any, kind: str, language: str, category: str) -> None:
        found.append({
            "id": f"vision-{len(found) + 1:03d}", "image": f"images/{picture}.png", "question": question,
            "target": target, "kind": kind, "language": language, "category": category,
        })  # fmt: skip

    for picture, _, questions in ROWS:
        for language, question, targets, category in questions:
            add(picture, question, targets, "question", language, category)
    for picture, language, targets in CAPTIONS:
        add(picture, ASKED[language], targets, "caption", language, "caption")
    return found


def main() -> None:
    """Write all files beside this one."""
    (HERE / "images").mkdir(exist_ok=True)
    for picture, canvas, _ in ROWS:
        (HERE / "images" / f"{picture}.png").write_bytes(canvas.png())
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows()]
    (HERE / "data.jsonl").write_text("".join(lines), "utf-8", newline="\n")


if __name__ == "__main__":
    main()
