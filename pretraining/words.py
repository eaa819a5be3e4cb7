"""The texts of the synthetic speakers: common words, number names and made-up words.

None of the demo corpus's commands is among the words.
"""

import random
from typing import Final

ENGLISH: Final = tuple(
    """
zero one two three four five six seven eight nine ten eleven twelve twenty thirty hundred thousand
first second third half double once twice many few more less some all none both each other another
time year day week month hour minute morning evening night today tomorrow yesterday now then soon
later never always often summer winter spring autumn monday tuesday wednesday thursday friday
saturday sunday january april july august october december
man woman child boy girl baby mother father sister brother friend people doctor teacher driver
farmer king queen captain soldier neighbour
head face eye ear nose mouth hand arm leg foot heart blood bone hair voice
house door window wall floor roof room kitchen garden table chair bed lamp mirror clock bottle
glass spoon knife plate basket box key book paper letter pencil picture music radio phone computer
street road bridge river lake ocean sea island mountain hill valley forest tree leaf flower grass
field farm village city country world sky sun moon star cloud rain snow wind storm thunder fire
water earth stone sand ice smoke shadow light dark
dog cat bird horse cow sheep pig chicken rooster duck goose fish frog snake mouse rabbit wolf bear
lion tiger monkey elephant bee spider butterfly
bread butter cheese milk coffee tea sugar salt pepper egg meat soup rice apple orange lemon banana
cherry grape potato tomato onion carrot
car bus train plane boat ship bicycle wheel engine station ticket airport harbour
red green blue yellow black white brown purple grey pink gold silver
big small long short high low wide narrow thick thin heavy fast slow early late new old young
good bad better best worse happy sad angry afraid tired hungry thirsty sick strong weak rich poor
clean dirty wet dry hot cold warm cool soft hard sharp smooth rough quiet loud bright easy difficult
simple strange funny beautiful ugly empty full free busy ready safe dangerous important possible
go come walk run jump swim fly climb fall sit stand sleep wake eat drink cook wash clean cut break
build make take give bring carry throw catch hold pull push turn move wait stay leave arrive begin
finish find lose buy sell pay cost count read write draw sing dance play laugh cry smile speak say
tell ask answer call shout whisper listen hear look see watch show hide think know learn teach
forget remember believe hope want need like love hate help work rest try follow lead change grow
live die kill fight win visit travel marry
yes no maybe please thanks hello goodbye sorry here there where when why how what who which
above below under over between behind before after inside outside near far across along around
school church hospital market office prison library museum theatre hotel restaurant
game ball story song number colour shape circle square corner middle edge side top bottom
question problem reason idea dream secret truth lie peace war law money price power war
marvin sheila wow happy visual forward backward bird follow learn
""".split()
)
ENGLISH_WORDS: Final = tuple(dict.fromkeys(ENGLISH))
DIGITS: Final = ENGLISH_WORDS[:10]

GERMAN: Final = tuple(
    """
null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf zwanzig hundert tausend
der die das ein eine und oder aber nicht auch nur schon noch immer wieder heute morgen gestern
jetzt dann bald abend nacht tag woche monat jahr stunde minute sommer winter frühling herbst
mann frau kind mutter vater schwester bruder freund leute arzt lehrer
kopf gesicht auge ohr nase mund hand arm bein fuß herz haar stimme
haus tür fenster wand dach zimmer küche garten tisch stuhl bett lampe spiegel uhr flasche glas
löffel messer teller korb schachtel schlüssel buch papier brief bild musik
straße brücke fluss see meer insel berg tal wald baum blatt blume gras feld dorf stadt land welt
himmel sonne mond stern wolke regen schnee wind sturm feuer wasser erde stein sand eis licht
hund katze vogel pferd kuh schaf schwein huhn ente fisch frosch maus hase wolf bär
brot butter käse milch kaffee tee zucker salz ei fleisch suppe apfel kirsche kartoffel zwiebel
rot grün blau gelb schwarz weiß braun grau groß klein lang kurz hoch tief breit schmal dick dünn
schwer leicht schnell langsam früh spät neu alt jung gut schlecht schön müde hungrig krank stark
gehen kommen laufen springen schwimmen fliegen fallen sitzen stehen schlafen essen trinken kochen
waschen schneiden brechen bauen machen nehmen geben bringen tragen werfen fangen halten ziehen
warten bleiben finden kaufen zahlen lesen schreiben singen tanzen spielen lachen weinen sprechen
sagen fragen antworten rufen hören sehen zeigen denken wissen lernen vergessen glauben hoffen
""".split()
)

ONSETS: Final = "b d f g h k l m n p r s t v w z br dr fl gr kl pl pr sk sp st tr j sch ch".split()
NUCLEI: Final = "a e i o u ai au ei ie ou oo a e i o u".split()
CODAS: Final = ["", "", "", *"b d f g k l m n p r s t x nd nt rk lt st sk".split()]


def made_up_word(rng: random.Random) -> str:
    """Return one to three random syllables."""
    count = rng.choice((1, 1, 2, 2, 3))
    return "".join(
        rng.choice(ONSETS) + rng.choice(NUCLEI) + rng.choice(CODAS) for _ in range(count)
    )


def english_words(rng: random.Random, count: int) -> list[str]:
    """Return known words, the digits more often, with a made-up word now and then."""
    made = []
    for _ in range(count):
        draw = rng.random()
        pool = DIGITS if draw < 0.2 else ENGLISH_WORDS
        made.append(made_up_word(rng) if draw > 0.9 else rng.choice(pool))
    return made


def foreign_words(rng: random.Random, language: str, count: int) -> list[str]:
    """Return words and numbers for a voice of another language, which reads numbers its own way."""
    made = []
    for _ in range(count):
        if language.startswith("de") and rng.random() < 0.7:
            made.append(rng.choice(GERMAN))
        elif rng.random() < 0.5:
            made.append(
                str(rng.choice((rng.randrange(10), rng.randrange(100), rng.randrange(1000))))
            )
        else:
            made.append(made_up_word(rng))
    return made
