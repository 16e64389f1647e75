# Verse: quatrains made of lines that rhyme in pairs; each line stands by itself.
plan: poema*9
== poema.corpo
- {#quadra} // {#quadra} // {#quadra} // {#quadra} // {#quadra}
- {#sexteto} // {#sexteto} // {#sexteto} // {#sexteto}
- {#quadra} // {#quadra} // {#sexteto} // {#sexteto}
== quadra
- {#ar} / {#or} / {#ar} / {#or}
- {#ia} / {#ar} / {#ia} / {#ar}
- {#ente} / {#ia} / {#ente} / {#ia}
- {#or} / {#ente} / {#or} / {#ente}
- {#ada} / {#ar} / {#ada} / {#ar}
- {#or} / {#ada} / {#or} / {#ada}
- {#ento} / {#ia} / {#ento} / {#ia}
- {#ada} / {#ento} / {#ada} / {#ento}
== sexteto
- {#ar} / {#ar} / {#ento} / {#or} / {#or} / {#ento}
- {#ia} / {#ia} / {#ada} / {#ente} / {#ente} / {#ada}
- {#ento} / {#or} / {#ento} / {#or} / {#ada} / {#ada}
== poema.titulo
- [A|Versos a] [{um flor}|{@nomem}|uma senhora que me pediu versos|um retrato|{@cantou}]
- Sombras
- Vésperas
- Ruínas
- Noturno
- Barcarola
- Elegia
- Visão
- O desterro
- Penumbra
- Madrugada
- Ao pé da serra
- Outono
- No álbum de {@nomem}
- A lâmpada
- O sino
- Ave sem ninho
- Musa antiga
- Lira quebrada
- Últimas folhas
- Espumas
- O peregrino
- Desejos
- Flor de gelo
- Menina e noite
- Os olhos dela
- Adeus
- Cantiga do mar
- O poeta a {o ideia}
- Soneto sem fecho
- Aspiração
- Fé
== ar
- [Vi|Ouvi] {o bicho} [na sombra|em sonho] [passar|chorar|vagar],
- [Minha alma|A lua] [desce|volta] [devagar|sobre o mar];
- [Quem|Só eu] te [pôde|soube] assim [amar|deixar|sonhar]?
- [Há|Dorme] {um flor} [à beira do|{.perdido} no] [mar|luar].
- [Ai|Ah], {@nomem}! [não|nunca mais] [hás de|queiras] [voltar|cantar]!
- [As horas|As ondas] [vêm|vão], {@fim_circ}, [parar|quebrar];
- [Levava|Trazia] {o ideia} [{.preso}|{.escondido}] no olhar,
- [O vento|A noite] [aprende|torna] [a suspirar|a perguntar]...
- [Nem|Já nem] sei se [é morrer|é viver] este [esperar|cismar].
- [Que importa|De que vale] [ao rio|à estrela] o [pensar|meu chorar]?
== or
- [Tudo|A vida] é [perfume|ruína|rumor|espuma], [meu amor|e é dor];
- [Pálida|Branca|Triste] [irmã|sombra] de uma [flor|dor],
- [Guarda|Esconde] {o ideia} [e o seu|num último] [fulgor|calor|rumor].
- [Eu fui|Serei], [senhora|ó musa], [o teu|um pobre] [cantor|senhor],
- [Nas mãos|No seio] {o flor} [perdeu a|mudou de] cor.
- [Sem medo|Sem pena], [sem luz|sem mágoa], [sem flor|sem rancor],
- [Disse-me|Falou-me] {o ideia}: “[Sê|Fui] [seu amor|a flor|o senhor]”.
- [Ardia|Tremia] [nos céus|na lâmpada] [um resto de|o mesmo] [ardor|alvor],
- [Piedade|Silêncio], [ó deuses|ó noite], [para o|pede o] [sofredor|pecador|trovador]!
== ia
- [Era|Foi] [a hora|o instante] em que {o ideia} [nascia|morria|dormia],
- [Longe|Além], {o bicho} na [mata|várzea|serra] [gemia|fugia];
- [Rosa|Filha] da [noite fria|luz do dia|melancolia],
- [E a tarde|E o tempo], {@fim_circ}, [descia|corria];
- [Teu nome|O mar] [no meu|neste] [peito|sonho] [batia|ardia].
- [Ninguém|Deus só], [ninguém|na sombra], [me ouvia|sabia].
- [Pobre|Vaga], [doce|louca], [vã|fria] fantasia!
- {^o ideia} [é|foi] [névoa|cinza|ave] de um [dia|só dia];
- [Quem|Se alguém] [chorava|passava], [também|decerto] [sorria|mentia],
== ente
- [Ergueu-se|Sumiu-se] [a lua|a barca] [lentamente|no poente],
- [Fala|Canta] [baixo|ainda], ó [alma|voz] [dolente|ausente|descontente];
- {^o flor} [não mente|sabe o que sente], {@fim_circ}, [eternamente|docemente].
- [Nem|Talvez] {o ideia} [te|me] [lamente|acorde de repente];
- [Tal|Assim], [no rio|na treva], [a folha|a luz] [vai na corrente|treme e consente],
- [Fria|Muda] [como|qual] {o bicho} [ao sol poente|doente],
- [Amei|Sofri] [como|quanto] [ama|sofre] [toda|a pobre] gente,
- [Olha|Vê], {@nomem}: [a noite|a vida] é [clemente|indiferente].
== ada
- [Vinha|Chegava] [do mar|da serra] [a madrugada|a luz cansada],
- [Toda|Já toda] [a casa|a estrada] [dorme|está] [fechada|calada];
- {^o ideia} [espera|vela] [à porta|ao pé] da [amada|escada|estrada].
- [De tanta|Daquela] [glória|promessa], [nada|quase nada]!
- [Caía|Murchava] {o flor} [sobre|em] [a água|a laje] [parada|gelada].
- [Musa|Sombra], [por que|para onde] [me foges|vais], [alada|calada]?
- [Uma|Certa] [lágrima|estrela], {@fim_circ}, [foi guardada|está pousada].
- [E eu|Eu], [que fui rei|pobre], [já não peço|não quero] nada.
== ento
- [Leva-me|Passa], [leva-me|passa], [ó vento|pensamento]!
- [O sino|A selva] [chora|repete] [meu lamento|o juramento];
- [Durou|Viveu] {o ideia} [apenas|tanto como] um momento,
- [Na|Sobre a] areia [escrevi|deixei] [um juramento|o pensamento],
- [Quebra-se|Perde-se] [o remo|a voz] [no|ao] [firmamento|vento|relento];
- [Pó|Sombra], [ai|diz] {@cantou}, [pó e vento|e esquecimento].
- [Doce|Velho], [antigo|inútil], [vão|lento] tormento,
- {^o bicho} [sabe|ensina] [às nuvens|ao mar] [seu|um] [tormento|intento].
